#include "common/socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <stdexcept>

#include "common/error.hpp"
#include "common/wait.hpp"

namespace two_ways {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  const Descriptor closed_at_the_end(std::exchange(fd_, std::exchange(other.fd_, -1)));
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ < 0) return;
  // Not begun anew after EINTR: Linux has released the number by then, and a second close could
  // hit somebody else's descriptor (close(2), "Dealing with error returns from close()").
  // Whoever is about to look at the errno of another call still finds it.
  const int error = errno;
  close(fd_);
  errno = error;
}

namespace {

void set_close_on_exec(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) throw CallFailed("fcntl(F_SETFD)", errno, fd);
}

// An answer goes out in one send, or in large pieces. Nagle's rule (RFC 1122 4.2.3.4) would hold
// the last, small piece back until the client has acknowledged the one before.
void send_without_delay(int socket) {
  const int on = 1;
  // A listener handed down to us may be of another kind, such as a Unix socket: no delay there.
  (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

struct AddressList {
  addrinfo* first = nullptr;
  AddressList() = default;
  AddressList(const AddressList&) = delete;
  AddressList& operator=(const AddressList&) = delete;
  ~AddressList() {
    if (first != nullptr) freeaddrinfo(first);
  }
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// `size` as getsockname(2) says it. A path may lack the null byte at its end; a name in Linux' own
// space begins with one (unix(7)), which is shown as '@'.
std::string unix_address(const sockaddr_storage& address, std::size_t size) {
  constexpr std::size_t begin = offsetof(sockaddr_un, sun_path);
  std::string path(reinterpret_cast<const char*>(&address) + begin,
                   size > begin ? size - begin : 0);
  if (!path.empty() && path.front() == '\0') path.front() = '@';
  return "unix:" + path.substr(0, path.find('\0'));
}

int connect_to(int socket, const sockaddr_in& address) {
  return connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Time moment_in(std::chrono::duration<double> timeout) {
  return Clock::now() + std::chrono::ceil<Clock::duration>(timeout);
}

// poll(2)'s answer for one socket that is to be written to. Signals do not put the end off.
int poll_for_writing(int socket, Time deadline) {
  pollfd watched{socket, POLLOUT, 0};
  int ready;
  do ready = poll(&watched, 1, milliseconds_until(deadline, Clock::now()));
  while (ready < 0 && errno == EINTR);
  return ready;
}

bool set_timeout(int socket, int option, std::chrono::duration<double> timeout) {
  using std::chrono::microseconds;
  // 0 would mean without limit.
  const auto count = std::max(microseconds(1), std::chrono::ceil<microseconds>(timeout)).count();
  timeval limit{};
  limit.tv_sec = static_cast<time_t>(count / 1'000'000);
  limit.tv_usec = static_cast<suseconds_t>(count % 1'000'000);
  return setsockopt(socket, SOL_SOCKET, option, &limit, sizeof limit) == 0;
}

// A signal ends the call connect(2), not the connecting, and a second call would say EALREADY.
// True if the connection stands; else false with errno.
bool finish_connecting(int socket, Time deadline) {
  const int ready = poll_for_writing(socket, deadline);
  if (ready == 0) errno = EINPROGRESS;  // as connect(2) says it when its timeout ends
  if (ready <= 0) return false;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return false;
  errno = error;
  return error == 0;
}

// Either the address is none of this machine's, or the port is taken or privileged (bind(2)).
[[noreturn]] void refuse_to_bind(int error, const std::string& address, std::uint16_t port) {
  if (error == EADDRNOTAVAIL) throw CallFailed("bind", error, "address " + address);
  throw CallFailed("bind", error, "port " + std::to_string(port) + "; -p PORT takes another");
}

}  // namespace

Descriptor listen_on(const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  AddressList list;
  const int problem =
      getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &list.first);
  if (problem == EAI_NONAME)
    throw std::invalid_argument("-a takes a numeric address, not '" + address + "'");
  if (problem != 0)
    throw std::invalid_argument("address " + address + ": " + gai_strerror(problem));

  Descriptor listener(socket(list.first->ai_family, SOCK_STREAM, 0));
  if (!listener) throw CallFailed("socket", errno);
  set_close_on_exec(listener.fd());
  set_nonblocking(listener.fd());

  // Lets a restarted server bind while old connections are still in TIME_WAIT (socket(7)).
  const int on = 1;
  if (setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
    throw CallFailed("setsockopt(SO_REUSEADDR)", errno, listener.fd());
  send_without_delay(listener.fd());  // accepted sockets inherit it

  if (bind(listener.fd(), list.first->ai_addr, list.first->ai_addrlen) < 0)
    refuse_to_bind(errno, address, port);
  if (listen(listener.fd(), SOMAXCONN) < 0) throw CallFailed("listen", errno, listener.fd());
  return listener;
}

std::optional<Descriptor> inherited_listener() {
  const char* count = std::getenv("LISTEN_FDS");
  if (count == nullptr || std::string_view(count) != "1") return std::nullopt;
  const char* owner = std::getenv("LISTEN_PID");
  if (owner != nullptr && owner != std::to_string(getpid())) return std::nullopt;

  constexpr int first_passed_descriptor = 3;  // SD_LISTEN_FDS_START
  Descriptor listener(first_passed_descriptor);
  int listens = 0;
  socklen_t size = sizeof listens;
  if (getsockopt(listener.fd(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0) {
    if (listens == 0) throw CallFailed("accept", EINVAL, listener.fd());
  } else if (errno != ENOPROTOOPT) {  // macOS and OpenBSD cannot tell; there accept says it later
    throw CallFailed("getsockopt(SO_ACCEPTCONN)", errno, listener.fd());
  }
  set_close_on_exec(listener.fd());
  set_nonblocking(listener.fd());
  send_without_delay(listener.fd());
  return listener;
}

std::string describe(const Address& address) {
  if (address.storage.ss_family == AF_UNIX) return unix_address(address.storage, address.length);
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  const int problem =
      getnameinfo(reinterpret_cast<const sockaddr*>(&address.storage), address.length, host,
                  sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  if (problem != 0) throw std::runtime_error(std::string("getnameinfo: ") + gai_strerror(problem));
  if (address.storage.ss_family == AF_INET6) return "[" + std::string(host) + "]:" + port;
  return std::string(host) + ":" + port;
}

std::string local_address(int socket) {
  Address address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.length) < 0)
    throw CallFailed("getsockname", errno, socket);
  return describe(address);
}

Descriptor accept_client(int listener, Blocking blocking, Address* peer) {
  Address unasked;
  if (peer == nullptr) peer = &unasked;
  auto* const address = reinterpret_cast<sockaddr*>(&peer->storage);
  int client;
  do {
    peer->length = sizeof peer->storage;
#ifdef SOCK_CLOEXEC
    const int flags = SOCK_CLOEXEC | (blocking == Blocking::no ? SOCK_NONBLOCK : 0);
    client = accept4(listener, address, &peer->length, flags);  // in POSIX since 2024
#else
    client = accept(listener, address, &peer->length);
#endif
  } while (client < 0 && errno == EINTR);
  Descriptor owner(client);
#ifndef SOCK_CLOEXEC
  // Whether the listener's O_NONBLOCK is inherited differs between systems: set it either way.
  if (owner && (fcntl(client, F_SETFD, FD_CLOEXEC) < 0 ||
                fcntl(client, F_SETFL, blocking == Blocking::no ? O_NONBLOCK : 0) < 0))
    return Descriptor();
#endif
  return owner;
}

Descriptor start_connecting(std::uint16_t port) {
  Descriptor connection(socket(AF_INET, SOCK_STREAM, 0));
  if (!connection || fcntl(connection.fd(), F_SETFD, FD_CLOEXEC) < 0 ||
      fcntl(connection.fd(), F_SETFL, O_NONBLOCK) < 0)
    return Descriptor();
  if (connect_to(connection.fd(), loopback(port)) == 0) return connection;
  // Interrupted or in progress, the connection goes on being made (connect(2)).
  if (errno == EINPROGRESS || errno == EINTR) return connection;
  return Descriptor();
}

Descriptor connect_blocking(std::uint16_t port, std::chrono::duration<double> timeout) {
  Descriptor connection(socket(AF_INET, SOCK_STREAM, 0));
  if (!connection || fcntl(connection.fd(), F_SETFD, FD_CLOEXEC) < 0) return Descriptor();
  if (!set_timeouts(connection.fd(), timeout)) return Descriptor();
  const Time deadline = moment_in(timeout);
  if (connect_to(connection.fd(), loopback(port)) == 0) return connection;
  if (errno == EINTR && finish_connecting(connection.fd(), deadline)) return connection;
  return Descriptor();
}

bool set_receive_timeout(int socket, std::chrono::duration<double> timeout) {
  return set_timeout(socket, SO_RCVTIMEO, timeout);
}

bool set_send_timeout(int socket, std::chrono::duration<double> timeout) {
  return set_timeout(socket, SO_SNDTIMEO, timeout);
}

bool set_timeouts(int socket, std::chrono::duration<double> timeout) {
  return set_receive_timeout(socket, timeout) && set_send_timeout(socket, timeout);
}

ssize_t receive(int socket, std::span<char> room) {
  ssize_t count;
  do count = recv(socket, room.data(), room.size(), 0);
  while (count < 0 && errno == EINTR);
  return count;
}

ssize_t send_some(int socket, std::string_view bytes) {
  ssize_t count;
  do count = send(socket, bytes.data(), bytes.size(), 0);
  while (count < 0 && errno == EINTR);
  return count;
}

bool is_all_sent(int socket, std::chrono::duration<double> timeout) {
#ifdef TCP_NOTSENT_LOWAT  // Linux and macOS: writable only if less than so much has not been sent
  const int least = 1;
  (void)setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &least, sizeof least);
#else  // BSD: writable only if there is so much room; cut to the buffer's size by the kernel
  const int most = std::numeric_limits<int>::max();
  (void)setsockopt(socket, SOL_SOCKET, SO_SNDLOWAT, &most, sizeof most);
#endif
  // If poll fails there is nothing to wait for: that would be no wait but a spin.
  return poll_for_writing(socket, moment_in(timeout)) != 0;
}

bool is_not_ready(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

bool is_exhaustion(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void open_pipe(int (&ends)[2]) {
  if (pipe(ends) < 0) throw CallFailed("pipe", errno);
  for (const int end : ends) set_close_on_exec(end);
}

void set_nonblocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) throw CallFailed("fcntl(F_GETFL)", errno, fd);
  if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) throw CallFailed("fcntl(F_SETFL)", errno, fd);
}

}  // namespace two_ways
