#include "common/program.hpp"

#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "common/error.hpp"

Descriptor open_listener(const Options& options) {
  if (auto listener = inherited_listener()) return std::move(*listener);
  return listen_on(options.address, options.port);
}

void announce(int listener) {
  const std::string address = local_address(listener);
  const bool is_loopback = address.starts_with("127.") || address.starts_with("[::1]");
  if (!is_loopback)
    std::fprintf(stderr, "note: %s can be reached from other machines\n", address.c_str());
  std::printf("listening on http://%s/\n", address.c_str());
  if (std::fflush(stdout) != 0) throw CallFailed("write", errno, 1);
}

int run_program(int argc, char** argv, void (*body)(int argc, char** argv)) {
  try {
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
