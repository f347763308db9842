#include "tests/measure/dial.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/error.hpp"

namespace {

constexpr unsigned last_source = 32;

sockaddr_in loopback(unsigned last_byte, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last_byte);
  return address;
}

Descriptor new_socket() {
#ifdef SOCK_CLOEXEC
  Descriptor made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) throw CallFailed("socket", errno);
#else
  Descriptor made(socket(AF_INET, SOCK_STREAM, 0));
  if (!made) throw CallFailed("socket", errno);
  if (fcntl(made.fd(), F_SETFD, FD_CLOEXEC) < 0) throw CallFailed("fcntl", errno, made.fd());
  set_nonblocking(made.fd());
#endif
  const int on = 1;
  if (setsockopt(made.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
    throw CallFailed("setsockopt(TCP_NODELAY)", errno, made.fd());
  return made;
}

// 0, or the errno of the call that failed.
int connect_from(int socket, unsigned source, std::uint16_t port) {
  if (source != 1) {
#ifdef IP_BIND_ADDRESS_NO_PORT
    // Leave the port to connect(2), which may use one port for several destinations (ip(7)).
    const int on = 1;
    (void)setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
#endif
    const sockaddr_in from = loopback(source, 0);
    if (bind(socket, reinterpret_cast<const sockaddr*>(&from), sizeof from) < 0) return errno;
  }
  const sockaddr_in to = loopback(1, port);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return 0;
  return errno == EINPROGRESS || errno == EINTR ? 0 : errno;
}

}  // namespace

Descriptor Dialer::dial(std::uint16_t port) {
  for (unsigned tries = 1;; ++tries) {
    Descriptor made = new_socket();
    const int error = connect_from(made.fd(), source_, port);
    if (error == 0) return made;
    const bool out_of_ports = error == EADDRNOTAVAIL || error == EADDRINUSE;
    if (!out_of_ports || tries == last_source)
      throw CallFailed("connect from 127.0.0." + std::to_string(source_), error, made.fd());
    source_ = source_ % last_source + 1;
  }
}
