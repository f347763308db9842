#include "tests/measure/bench/kernel_memory.hpp"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "tests/measure/process_reading.hpp"

namespace {

// The number behind a word in a file of words and numbers; nothing if it is not there.
std::optional<std::uint64_t> number_after(const char* path, const std::string& line_start,
                                          const std::string& word) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(line_start)) continue;
    std::istringstream words(line);
    std::uint64_t number = 0;
    for (std::string found; words >> found;)
      if (found == word && words >> number) return number;
  }
  return std::nullopt;
}

}  // namespace

KernelMemory read_kernel_memory() {
  KernelMemory memory;
  memory.stacks = read_kernel_stacks();
  // Only what cannot be reclaimed: the rest is a cache of files.
  if (const auto kib = number_after("/proc/meminfo", "SUnreclaim:", "SUnreclaim:"))
    memory.slab = *kib * 1024;
  if (const auto pages = number_after("/proc/net/sockstat", "TCP:", "mem"))
    memory.socket_buffers = *pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return memory;
}
