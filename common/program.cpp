#include "common/program.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "common/error.hpp"

namespace two_ways {

namespace {

// A number from 0 to 2 that is free would go to the next descriptor that is opened. Whoever printed
// something would write it to a client then, or into a pipe of ours.
void open_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)  // takes the lowest free number
      throw CallFailed("open /dev/null", errno);
}

// As much as a thread gets at least, and as much again, because the main thread's stack begins with
// the arguments and the environment. Without it a long answer would end the process.
void refuse_small_stack() {
  constexpr std::size_t least_kib = 2 * least_stack_kib;
  rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) < 0) throw CallFailed("getrlimit(RLIMIT_STACK)", errno);
  if (limit.rlim_cur >= static_cast<rlim_t>(least_kib * 1024)) return;
  throw std::runtime_error("a stack of " + std::to_string(limit.rlim_cur / 1024) +
                           " KiB is too small: 'ulimit -s " + std::to_string(least_kib) +
                           "' allows the least that will do");
}

// Each /row would ask for another one, until no descriptor is left.
void refuse_own_port(std::string_view own_address, std::uint16_t backend_port) {
  const std::string port = std::to_string(backend_port);
  for (const char* host : {"127.0.0.1:", "0.0.0.0:", "[::]:", "[::ffff:127.0.0.1]:"})
    if (own_address == host + port)
      throw std::invalid_argument("-b " + port + " is this server's own port");
}

}  // namespace

Descriptor open_listener(const Options& options) {
  auto inherited = inherited_listener();
  Descriptor listener =
      inherited ? std::move(*inherited) : listen_on(options.address, options.port);
  refuse_own_port(local_address(listener.fd()), options.backend_port);
  return listener;
}

void announce(int listener) {
  const std::string address = local_address(listener);
  const bool is_file = address.starts_with("unix:");
  const bool is_loopback = address.starts_with("127.") || address.starts_with("[::1]");
  if (!is_file && !is_loopback)
    complain("note: " + address + " can be reached from other machines\n");
  const std::string place = is_file ? address : "http://" + address + "/";
  std::printf("%s%s\n", ready_words, place.c_str());
  if (std::fflush(stdout) != 0) throw CallFailed("write", errno, 1);
}

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) throw CallFailed("getrlimit", errno);
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  // macOS says that the hard limit is infinite, and allows OPEN_MAX (setrlimit(2) there).
  constexpr rlim_t open_max = 10'240;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
    limit.rlim_cur = std::max(before, open_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) limit.rlim_cur = before;
  }
  return static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, 1'000'000));
}

int run_program(int argc, char** argv, void (*body)(int argc, char** argv)) {
  try {
    open_standard_descriptors();
    refuse_small_stack();
    raise_descriptor_limit();
    body(argc, argv);
    return 0;
  } catch (const std::invalid_argument& problem) {
    std::fprintf(stderr, "%s: %s\n", argv[0], problem.what());
    return 2;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}

}  // namespace two_ways
