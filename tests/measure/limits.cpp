#include "tests/measure/limits.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "common/program.hpp"
#include "tests/measure/text_table.hpp"

using namespace two_ways;

namespace {

// A number in a file; nothing if there is none, or "max".
std::size_t number_in(const char* path, std::size_t otherwise) {
  std::ifstream file(path);
  std::size_t number = 0;
  return file >> number ? number : otherwise;
}

// RLIMIT_NPROC counts threads on Linux, where it does not bind root; elsewhere it counts processes.
std::size_t threads_of_a_user(std::size_t otherwise) {
#ifdef __linux__
  rlimit tasks{};
  if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &tasks) == 0 && tasks.rlim_cur != RLIM_INFINITY)
    return static_cast<std::size_t>(tasks.rlim_cur);
#endif
  return otherwise;
}

void lower(Allowance& allowance, std::size_t limit, std::size_t besides, const char* name) {
  const std::size_t room = limit > besides ? limit - besides : 0;
  if (room >= allowance.clients) return;
  allowance.clients = room / 100 * 100;
  if (room < 100) allowance.clients = room;
  allowance.limit = "the limit of " + with_commas(limit) + " " + name;
}

}  // namespace

Allowance allowed_clients(std::size_t wished, std::size_t besides) {
  Allowance allowance{wished, ""};
  lower(allowance, raise_descriptor_limit(), besides, "descriptors (ulimit -Hn)");
  return allowance;
}

Allowance allowed_threads(std::size_t wished, std::size_t besides) {
  Allowance allowance = allowed_clients(wished, besides);
  lower(allowance, threads_of_a_user(wished + besides), besides,
        "threads for one user (ulimit -u)");
  lower(allowance, number_in("/proc/sys/kernel/threads-max", wished + besides), besides,
        "threads (kernel.threads-max)");
  lower(allowance, number_in("/sys/fs/cgroup/pids.max", wished + besides), besides,
        "threads in this container (pids.max)");
  // Each thread's stack is two mappings, itself and its guard page.
  lower(allowance, number_in("/proc/sys/vm/max_map_count", 2 * (wished + besides)) / 2, besides,
        "stacks (half of vm.max_map_count)");
  return allowance;
}

std::vector<std::size_t> steps_up_to(std::size_t most, std::vector<std::size_t> wished) {
  std::erase_if(wished, [most](std::size_t step) { return step >= most; });
  wished.push_back(most);
  std::sort(wished.begin(), wished.end());
  wished.erase(std::unique(wished.begin(), wished.end()), wished.end());
  return wished;
}
