#include "common/acceptor.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "common/error.hpp"
#include "common/http_codec.hpp"

namespace two_ways {

namespace {

// This client's connection has failed before we came to it; the next may be well (accept(2)).
bool is_lost_client(int error) {
  return error == ECONNABORTED || error == EPROTO || error == ENETDOWN || error == ENETUNREACH ||
         error == EHOSTUNREACH || error == EHOSTDOWN || error == ENOPROTOOPT ||
         error == EOPNOTSUPP || error == EPERM;
}

// Not a listener at all. Trying again will not help.
bool is_broken_listener(int error) {
  return error == EBADF || error == ENOTSOCK || error == EINVAL;
}

}  // namespace

Descriptor Acceptor::next_client(Time now) {
  resumes_at_.reset();
  Descriptor client = accept_client(listener_.fd(), blocking_, &peer_);
  const int error = client ? 0 : errno;
  const bool is_lost = is_lost_client(error) && ++lost_in_a_row_ < most_lost_in_a_row;
  if (is_lost) return client;
  lost_in_a_row_ = 0;
  if (client || is_not_ready(error)) return client;
  if (is_broken_listener(error)) throw CallFailed("accept", error, listener_.fd());
  pause(now);  // EMFILE and its kin, or something new: either way not at once again
  return client;
}

void reject(Descriptor client, int status) {
  const Response response = refusal(status);
  std::array<char, max_response_head + max_text> room;
  std::size_t size = write_response_head(
      {.status = status, .body_size = response.text.size(), .closes = true}, room);
  size += response.text.copy(room.data() + size, response.text.size());
  // A fresh socket takes these few bytes. What it does not take is lost, as is the client.
  (void)send(client.fd(), room.data(), size, MSG_DONTWAIT);
  // Closing with unread bytes would reset the connection and might lose the words (RFC 9112 9.6).
  (void)shutdown(client.fd(), SHUT_WR);
  (void)recv(client.fd(), room.data(), room.size(), MSG_DONTWAIT);
}

}  // namespace two_ways
