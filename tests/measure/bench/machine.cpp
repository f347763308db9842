#include "tests/measure/bench/machine.hpp"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "common/program.hpp"
#include "tests/measure/text_table.hpp"

using namespace two_ways;

namespace {

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  utsname system{};
  return uname(&system) == 0 ? system.machine : "unknown processor";
}

std::string memory() {
#ifdef _SC_PHYS_PAGES
  const long pages = sysconf(_SC_PHYS_PAGES);
  if (pages > 0)
    return in_bytes(static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)));
#endif
  return "unknown memory";
}

std::string kernel() {
  utsname system{};
  if (uname(&system) < 0) return "unknown";
  return std::string(system.sysname) + " " + system.release + " " + system.machine;
}

std::string compiler() {
#ifdef __clang__
  return std::string("clang ") + __clang_version__;
#else
  return std::string("g++ ") + __VERSION__;
#endif
}

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  char room[64];
  const std::size_t size =
      std::strftime(room, sizeof room, "%Y-%m-%d %H:%M UTC", std::gmtime(&seconds));
  return {room, size};
}

std::string stack_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return "unlimited";
  return in_bytes(static_cast<double>(limit.rlim_cur));
}

}  // namespace

std::string machine_header() {
  return "# machine: " + processor() + ", " + std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) +
         " CPUs, " + memory() + "\n# kernel: " + kernel() + "\n# compiler: " + compiler() +
         "\n# date: " + now() + "\n# limits: " + with_commas(raise_descriptor_limit()) +
         " descriptors for a process, default stack " + stack_limit() + "\n";
}

void refuse_company(const OthersReading& reading) {
  constexpr double most = 0.05;
  const double others = reading.share().value_or(0);
  if (others <= most) return;
  throw std::runtime_error("other programs have had " + in_percent(others) +
                           " of this machine's CPUs, and what is kept is measured alone");
}

void refuse_company() {
  const OthersReading reading;
  std::this_thread::sleep_for(std::chrono::seconds(2));
  refuse_company(reading);
}
