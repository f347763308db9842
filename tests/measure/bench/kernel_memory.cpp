#include "tests/measure/bench/kernel_memory.hpp"

#include <unistd.h>

#include <fstream>
#include <map>
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

// The caches of slabinfo(5), in bytes, which only root may read. A line is
// "name active total size per_slab pages : tunables a b c : slabdata active slabs shared".
std::map<std::string, std::uint64_t> read_slab_caches() {
  std::map<std::string, std::uint64_t> caches;
  std::ifstream file("/proc/slabinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name, skipped;
    std::uint64_t pages = 0, slabs = 0;
    words >> name;
    for (int i = 0; i < 4; ++i) words >> skipped;
    words >> pages;
    for (int i = 0; i < 8; ++i) words >> skipped;
    if (words >> slabs)
      caches[name] = slabs * pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  return caches;
}

}  // namespace

KernelMemory read_kernel_memory() {
  KernelMemory memory;
  memory.stacks = read_kernel_stacks();
  auto caches = read_slab_caches();
  // Only what cannot be reclaimed: the rest is a cache of files, but for the sockets' inodes, which
  // the kernel counts there, too.
  if (const auto kib = number_after("/proc/meminfo", "SUnreclaim:", "SUnreclaim:"))
    memory.slab = *kib * 1024 + caches["sock_inode_cache"];
  if (caches["TCP"] > 0)
    memory.sockets =
        caches["TCP"] + caches["sock_inode_cache"] + caches["filp"] + caches["eventpoll_epi"];
  return memory;
}
