#include "tests/measure/process_reading.hpp"

#include <dirent.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>
#include <memory>
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

template <class Visit>
void for_each_thread(pid_t process, Visit visit) {
  const std::string tasks = path_of(process) + "/task";
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(tasks.c_str()), closedir);
  if (!directory) return;
  while (const dirent* entry = readdir(directory.get()))
    if (entry->d_name[0] != '.') visit(tasks + "/" + entry->d_name);
}

#endif

}  // namespace

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
  for_each_thread(process, [&](const std::string& path) {
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

#else

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
