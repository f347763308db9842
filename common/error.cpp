#include "common/error.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <system_error>

namespace two_ways {

namespace {

struct Symbol {
  int error;
  const char* name;
};

// POSIX gives the names as macros only; glibc's strerrorname_np(3) is not portable.
// EWOULDBLOCK has no line of its own: on most systems it is EAGAIN.
constexpr Symbol symbols[] = {
    {E2BIG, "E2BIG"},
    {EACCES, "EACCES"},
    {EADDRINUSE, "EADDRINUSE"},
    {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
    {EAFNOSUPPORT, "EAFNOSUPPORT"},
    {EAGAIN, "EAGAIN"},
    {EALREADY, "EALREADY"},
    {EBADF, "EBADF"},
    {EBUSY, "EBUSY"},
    {ECHILD, "ECHILD"},
    {ECONNABORTED, "ECONNABORTED"},
    {ECONNREFUSED, "ECONNREFUSED"},
    {ECONNRESET, "ECONNRESET"},
    {EDEADLK, "EDEADLK"},
    {EDESTADDRREQ, "EDESTADDRREQ"},
    {EDOM, "EDOM"},
    {EDQUOT, "EDQUOT"},
    {EEXIST, "EEXIST"},
    {EFAULT, "EFAULT"},
    {EFBIG, "EFBIG"},
    {EHOSTDOWN, "EHOSTDOWN"},
    {EHOSTUNREACH, "EHOSTUNREACH"},
    {EINPROGRESS, "EINPROGRESS"},
    {EINTR, "EINTR"},
    {EINVAL, "EINVAL"},
    {EIO, "EIO"},
    {EISCONN, "EISCONN"},
    {EISDIR, "EISDIR"},
    {ELOOP, "ELOOP"},
    {EMFILE, "EMFILE"},
    {EMSGSIZE, "EMSGSIZE"},
    {ENAMETOOLONG, "ENAMETOOLONG"},
    {ENETDOWN, "ENETDOWN"},
    {ENETRESET, "ENETRESET"},
    {ENETUNREACH, "ENETUNREACH"},
    {ENFILE, "ENFILE"},
    {ENOBUFS, "ENOBUFS"},
    {ENODEV, "ENODEV"},
    {ENOENT, "ENOENT"},
    {ENOEXEC, "ENOEXEC"},
    {ENOMEM, "ENOMEM"},
    {ENOPROTOOPT, "ENOPROTOOPT"},
    {ENOSPC, "ENOSPC"},
    {ENOSYS, "ENOSYS"},
    {ENOTCONN, "ENOTCONN"},
    {ENOTDIR, "ENOTDIR"},
    {ENOTSOCK, "ENOTSOCK"},
    {ENXIO, "ENXIO"},
    {EOPNOTSUPP, "EOPNOTSUPP"},
    {EOVERFLOW, "EOVERFLOW"},
    {EPERM, "EPERM"},
    {EPIPE, "EPIPE"},
    {EPROTO, "EPROTO"},
    {EPROTONOSUPPORT, "EPROTONOSUPPORT"},
    {EPROTOTYPE, "EPROTOTYPE"},
    {EROFS, "EROFS"},
    {ESRCH, "ESRCH"},
    {ETIMEDOUT, "ETIMEDOUT"},
    {ETXTBSY, "ETXTBSY"},
};

}  // namespace

std::string error_symbol(int error) {
  for (const Symbol& symbol : symbols)
    if (symbol.error == error) return symbol.name;
  return "errno " + std::to_string(error);
}

std::string describe_failure(std::string_view call, int error, int descriptor) {
  std::string line(call);
  line += ": " + error_symbol(error) + " (" + std::generic_category().message(error) + ")";
  if (descriptor >= 0) line += ", descriptor " + std::to_string(descriptor);
  return line;
}

void complain(std::string_view line) noexcept {
  pollfd stream{STDERR_FILENO, POLLOUT, 0};
  int ready = -1;  // a signal, or no memory for the call, passes
  for (int tries = 0; ready < 0 && tries < 100; ++tries) ready = poll(&stream, 1, 0);
  if (ready <= 0) return;
  line = line.substr(0, _POSIX_PIPE_BUF);  // a pipe that is ready takes so much without waiting
  // What fails is lost: there is nowhere to say so.
  [[maybe_unused]] const ssize_t count = write(STDERR_FILENO, line.data(), line.size());
}

CallFailed::CallFailed(std::string_view call, int error_number, int descriptor)
    : std::runtime_error(describe_failure(call, error_number, descriptor)), error(error_number) {}

CallFailed::CallFailed(std::string_view call, int error_number, const std::string& what)
    : std::runtime_error(describe_failure(call, error_number) + ", " + what), error(error_number) {}

}  // namespace two_ways
