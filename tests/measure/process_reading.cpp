#include "tests/measure/process_reading.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace {

#ifdef __linux__

// The whole of a small file; empty if the process or thread is gone.
std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The number after "NAME:" in a file of such lines, as in /proc/PID/status.
std::optional<std::uint64_t> field(std::string_view text, std::string_view name) {
  std::size_t place = text.starts_with(name) ? 0 : text.find("\n" + std::string(name));
  if (place == std::string_view::npos) return std::nullopt;
  place = text.find_first_of("0123456789", text.find(':', place));
  std::uint64_t number = 0;
  if (place == std::string_view::npos) return std::nullopt;
  std::from_chars(text.data() + place, text.data() + text.size(), number);
  return number;
}

std::optional<std::uint64_t> kibibytes(std::string_view text, std::string_view name) {
  const auto number = field(text, name);
  if (!number) return std::nullopt;
  return *number * 1024;
}

std::string path_of(pid_t process) {
  return "/proc/" + std::to_string(process);
}

// Visits every entry of a directory of /proc/PID, by its path.
template <class Visit>
void for_each_entry(pid_t process, const std::string& name, Visit visit) {
  const std::string path = path_of(process) + "/" + name;
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory))
    if (entry->d_name[0] != '.') visit(path + "/" + entry->d_name);
  closedir(directory);
}

// Seconds that the machine's CPUs have spent on something, together.
std::optional<double> machine_busy() {
  // cpu user nice system idle iowait irq softirq steal (proc(5))
  std::istringstream words(contents("/proc/stat"));
  std::string label;
  double times[8] = {};
  words >> label;
  for (double& time : times) words >> time;
  if (label != "cpu") return std::nullopt;
  const double busy = times[0] + times[1] + times[2] + times[5] + times[6] + times[7];
  return busy / static_cast<double>(sysconf(_SC_CLK_TCK));
}

#else

std::optional<double> machine_busy() {
  return std::nullopt;
}

#endif

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

#ifdef __linux__

ProcessReading read_process(pid_t process) {
  const std::string status = contents(path_of(process) + "/status");
  const std::string memory = contents(path_of(process) + "/smaps_rollup");
  ProcessReading reading;
  reading.threads = field(status, "Threads:");
  reading.reserved_bytes = kibibytes(status, "VmSize:");
  reading.page_table_bytes = kibibytes(status, "VmPTE:");
  reading.resident_bytes = kibibytes(memory, "Pss:");
  if (!reading.resident_bytes) reading.resident_bytes = kibibytes(status, "VmRSS:");
  return reading;
}

ActivityReading read_activity(pid_t process) {
  std::uint64_t switches = 0;
  std::uint64_t forced = 0;
  std::uint64_t cpu = 0;
  bool found = false;
  for_each_entry(process, "task", [&](const std::string& path) {
    const std::string status = contents(path + "/status");
    const std::uint64_t nonvoluntary = field(status, "nonvoluntary_ctxt_switches:").value_or(0);
    switches += field(status, "voluntary_ctxt_switches:").value_or(0) + nonvoluntary;
    forced += nonvoluntary;
    // Its first number is the time on a CPU in nanoseconds (Linux, sched-stats.rst).
    cpu += field(":" + contents(path + "/schedstat"), ":").value_or(0);
    found = true;
  });
  if (!found) return {};
  return {switches, forced, cpu};
}

std::optional<std::uint64_t> read_cpu_with_ended_threads(pid_t process) {
  const std::string text = contents(path_of(process) + "/stat");
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;  // utime and stime are fields 14 and 15 (proc(5))
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  fields >> user >> system;
  const auto ticks = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return (user + system) * (1'000'000'000 / ticks);
}

std::optional<std::uint64_t> read_kernel_stacks() {
  return kibibytes(contents("/proc/meminfo"), "KernelStack:");
}

std::optional<std::uint64_t> count_descriptors(pid_t process) {
  std::uint64_t count = 0;
  for_each_entry(process, "fd", [&](const std::string&) { ++count; });
  if (count == 0) return std::nullopt;
  return count;
}

bool is_traced(pid_t process) {
  bool all = true;
  for_each_entry(process, "task", [&](const std::string& path) {
    all = all && field(contents(path + "/status"), "TracerPid:").value_or(0) != 0;
  });
  return all;
}

bool is_asleep(pid_t process) {
  bool all = true;
  for_each_entry(process, "task", [&](const std::string& path) {
    all = all && contents(path + "/status").find("\nState:\tS") != std::string::npos;
  });
  return all;
}

#else

std::optional<std::uint64_t> count_descriptors(pid_t) {
  return std::nullopt;
}
bool is_traced(pid_t) {
  return false;
}
bool is_asleep(pid_t) {
  return false;
}
std::optional<std::uint64_t> read_kernel_stacks() {
  return std::nullopt;
}
ProcessReading read_process(pid_t) {
  return {};
}
ActivityReading read_activity(pid_t) {
  return {};
}
std::optional<std::uint64_t> read_cpu_with_ended_threads(pid_t) {
  return std::nullopt;
}

#endif
