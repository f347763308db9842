#include "tests/kit/reading.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

#include "tests/kit/proc.hpp"

namespace {

std::optional<std::uint64_t> bytes_after(std::string_view text, std::string_view name) {
  const auto kib = number_after(text, name);
  if (!kib) return std::nullopt;
  return *kib * 1024;
}

// Seconds that the machine's CPUs have spent on something, together.
std::optional<double> machine_busy() {
  // cpu user nice system idle iowait irq softirq steal (proc(5))
  std::istringstream words(text_of("/proc/stat"));
  std::string label;
  double times[8] = {};
  words >> label;
  for (double& time : times) words >> time;
  if (label != "cpu") return std::nullopt;
  const double busy = times[0] + times[1] + times[2] + times[5] + times[6] + times[7];
  return busy / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double seconds_of(const rusage& used) {
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double own_and_children() {
  rusage own{};
  rusage children{};
  if (getrusage(RUSAGE_SELF, &own) < 0 || getrusage(RUSAGE_CHILDREN, &children) < 0) return 0;
  return seconds_of(own) + seconds_of(children);
}

// Seconds that all CPUs have had since some fixed moment.
double machine_time() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count() *
         static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
}

// The caches of slabinfo(5), in bytes, which only root may read. A line is
// "name active total size per_slab pages : tunables a b c : slabdata active slabs shared".
std::map<std::string, std::uint64_t> read_slab_caches() {
  std::map<std::string, std::uint64_t> caches;
  std::istringstream lines(text_of("/proc/slabinfo"));
  for (std::string line; std::getline(lines, line);) {
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

OthersReading::OthersReading()
    : busy_(machine_busy()), own_(own_and_children()), all_(machine_time()) {}

std::optional<double> OthersReading::share() const {
  const auto busy = machine_busy();
  if (!busy || !busy_) return std::nullopt;
  const double others = (*busy - *busy_) - (own_and_children() - own_);
  const double all = machine_time() - all_;
  return all > 0 ? std::max(0.0, others / all) : 0;
}

ProcessReading read_process(pid_t process) {
  const std::string status = text_of(proc(process, "status"));
  ProcessReading reading;
  reading.threads = number_after(status, "\nThreads:");
  reading.reserved_bytes = bytes_after(status, "\nVmSize:");
  reading.page_table_bytes = bytes_after(status, "\nVmPTE:");
  reading.resident_bytes = bytes_after(text_of(proc(process, "smaps_rollup")), "\nPss:");
  if (!reading.resident_bytes) reading.resident_bytes = bytes_after(status, "\nVmRSS:");
  return reading;
}

ActivityReading read_activity(pid_t process) {
  const std::vector<ThreadLook> threads = threads_of(process);
  if (threads.empty()) return {};
  ActivityReading sum{0, 0, 0};
  for (const ThreadLook& thread : threads) {
    *sum.switches += thread.voluntary_switches + thread.forced_switches;
    *sum.forced_switches += thread.forced_switches;
    *sum.cpu_nanoseconds += thread.cpu_nanoseconds;
  }
  return sum;
}

std::optional<std::uint64_t> read_kernel_stacks() {
  return bytes_after(text_of("/proc/meminfo"), "\nKernelStack:");
}

KernelMemory read_kernel_memory() {
  KernelMemory memory;
  memory.stacks = read_kernel_stacks();
  auto caches = read_slab_caches();
  // Only what cannot be reclaimed: the rest is a cache of files, but for the sockets' inodes, which
  // the kernel counts there, too.
  if (const auto slab = bytes_after(text_of("/proc/meminfo"), "\nSUnreclaim:"))
    memory.slab = *slab + caches["sock_inode_cache"];
  if (caches["TCP"] > 0)
    memory.sockets =
        caches["TCP"] + caches["sock_inode_cache"] + caches["filp"] + caches["eventpoll_epi"];
  return memory;
}
