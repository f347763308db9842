// socket.hpp — raw sockets, with an owner and with errors in words.
//
// Gives: a descriptor that closes itself; a listener; accept, connect, recv and send as POSIX
//        has them, minus what every caller would repeat (EINTR, close-on-exec).
// Do:    look at errno right after a call that says it failed. Ignore SIGPIPE (signals.hpp does).
// Do not: expect a helper to wait. None of these parks the thread unless the descriptor itself
//        is blocking or it is given a timeout, and then only in the one call that the helper names.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace two_ways {

// Owns one file descriptor and closes it. Movable, not copyable: a descriptor closed twice
// closes somebody else's.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// A non-blocking listener on a numeric address and port; port 0 lets the kernel choose.
// Throws CallFailed for the call that failed, std::invalid_argument for a bad address.
Descriptor listen_on(const std::string& address, std::uint16_t port);

// The listener that a parent process has opened for us: descriptor 3, if LISTEN_FDS=1 and
// LISTEN_PID is unset or ours (sd_listen_fds(3)). Empty if there is none.
// Throws CallFailed if descriptor 3 is announced and is not a socket.
std::optional<Descriptor> inherited_listener();

// An address of any family, as getsockname(2) and accept(2) give it.
struct Address {
  sockaddr_storage storage = {};
  socklen_t length = sizeof(sockaddr_storage);
};

// "127.0.0.1:8080", "[::1]:8080", "unix:/run/x"; "unix:" for one without a name. Throws
// std::runtime_error for a family that has no words for it.
std::string describe(const Address& address);

// The address a socket is bound to, described. Throws CallFailed.
std::string local_address(int socket);

// How an accepted client's socket is to behave when it is not ready.
enum class Blocking { yes, no };

// The next client in the listener's backlog, with close-on-exec set. The caller owns it. `peer`
// becomes the address that it comes from. Empty on failure, with errno: EAGAIN (nobody waits),
// ECONNABORTED (that client has left again), EMFILE, ENFILE, ENOBUFS, ENOMEM (no room now; see
// is_exhaustion).
Descriptor accept_client(int listener, Blocking blocking, Address* peer = nullptr);

// A non-blocking socket on its way to 127.0.0.1:port. The caller owns it. It becomes writable
// when the connection stands or has failed; the first send tells which.
// Empty on failure, with errno (EMFILE, ECONNREFUSED, EADDRNOTAVAIL...).
Descriptor start_connecting(std::uint16_t port);

// A blocking socket connected to 127.0.0.1:port. Parks in connect(2), on Linux for `timeout` at
// most; other systems let only recv and send be limited, and connecting on loopback takes no time.
// Empty on failure, with errno (EINPROGRESS: the timeout has run out).
Descriptor connect_blocking(std::uint16_t port, std::chrono::duration<double> timeout);

// A recv or a send on a blocking socket parks no longer than this. Then it comes back with what it
// has done so far, and fails with EAGAIN if that is nothing (SO_RCVTIMEO and SO_SNDTIMEO,
// socket(7)). False with errno on failure.
bool set_receive_timeout(int socket, std::chrono::duration<double> timeout);
bool set_send_timeout(int socket, std::chrono::duration<double> timeout);
bool set_timeouts(int socket, std::chrono::duration<double> timeout);  // both

// recv(2), begun anew when a signal interrupts it. Bytes received; 0 at the end of the stream;
// -1 with errno (EAGAIN, ECONNRESET...).
ssize_t receive(int socket, std::span<char> room);

// send(2), begun anew when a signal interrupts it. Bytes taken over by the kernel, which may be
// fewer than all: the rest is still the caller's. -1 with errno (EAGAIN, EPIPE, ECONNRESET...).
ssize_t send_some(int socket, std::string_view bytes);

// Has the kernel sent all that it has taken over, or is the connection dead? From now on the socket
// is not writable before. Parks in poll(2) for it, for `timeout` at most.
bool is_all_sent(int socket, std::chrono::duration<double> timeout = {});

// Is this errno "not ready yet"? POSIX allows EAGAIN and EWOULDBLOCK to differ.
bool is_not_ready(int error);

// Is this errno of accept(2) or socket(2) "no descriptor or no memory at the moment"?
bool is_exhaustion(int error);

// pipe(2), with both ends close-on-exec; they are the caller's. Throws CallFailed.
void open_pipe(int (&ends)[2]);

// Throws CallFailed.
void set_nonblocking(int fd);

}  // namespace two_ways
