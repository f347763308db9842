#include "common/error.hpp"

#include <cerrno>
#include <system_error>

namespace {

struct Symbol {
  int error;
  const char* name;
};

// POSIX gives the names as macros only; glibc's strerrorname_np(3) is not portable.
// EWOULDBLOCK has no line of its own: on most systems it is EAGAIN.
constexpr Symbol symbols[] = {
    {EACCES, "EACCES"},
    {EADDRINUSE, "EADDRINUSE"},
    {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
    {EAFNOSUPPORT, "EAFNOSUPPORT"},
    {EAGAIN, "EAGAIN"},
    {EBADF, "EBADF"},
    {ECONNABORTED, "ECONNABORTED"},
    {ECONNREFUSED, "ECONNREFUSED"},
    {ECONNRESET, "ECONNRESET"},
    {EEXIST, "EEXIST"},
    {EFAULT, "EFAULT"},
    {EHOSTUNREACH, "EHOSTUNREACH"},
    {EINPROGRESS, "EINPROGRESS"},
    {EINTR, "EINTR"},
    {EINVAL, "EINVAL"},
    {EIO, "EIO"},
    {EMFILE, "EMFILE"},
    {ENETDOWN, "ENETDOWN"},
    {ENETUNREACH, "ENETUNREACH"},
    {ENFILE, "ENFILE"},
    {ENOBUFS, "ENOBUFS"},
    {ENOENT, "ENOENT"},
    {ENOMEM, "ENOMEM"},
    {ENOPROTOOPT, "ENOPROTOOPT"},
    {ENOTCONN, "ENOTCONN"},
    {ENOTSOCK, "ENOTSOCK"},
    {EOPNOTSUPP, "EOPNOTSUPP"},
    {EPERM, "EPERM"},
    {EPIPE, "EPIPE"},
    {EPROTO, "EPROTO"},
    {ETIMEDOUT, "ETIMEDOUT"},
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

CallFailed::CallFailed(std::string_view call, int error_number, int descriptor)
    : std::runtime_error(describe_failure(call, error_number, descriptor)), error(error_number) {}
