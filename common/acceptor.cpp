#include "common/acceptor.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "common/error.hpp"
#include "common/exchange.hpp"

Descriptor Acceptor::next_client(Time now) {
  resumes_at_.reset();
  Descriptor client = accept_client(listener_.fd(), blocking_);
  if (client) return client;
  switch (const int error = errno) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
    // This client's connection has failed before we came to it; the next may be well (accept(2)).
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ETIMEDOUT:
      return client;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      pause(now);
      return client;
    default:
      throw CallFailed("accept", error, listener_.fd());
  }
}

void turn_away(Descriptor client, int status) {
  std::array<char, 1024> space;
  Bench bench{.space = space};
  Exchange exchange(bench);
  exchange.refuse(status);
  const std::string_view words = exchange.outgoing();
  // A fresh socket takes these few bytes. What it does not take is lost, as is the client.
  (void)send(client.fd(), words.data(), words.size(), MSG_DONTWAIT);
  // Closing with unread bytes would reset the connection and might lose the words (RFC 9112 9.6).
  shutdown(client.fd(), SHUT_WR);
  (void)recv(client.fd(), space.data(), space.size(), MSG_DONTWAIT);
}
