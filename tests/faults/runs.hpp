// runs.hpp — what faults_main.cpp is told, and what it runs besides the behaviour checks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/kit/check.hpp"

struct Settings {
  std::string directory;
  std::vector<std::string> servers;
  std::vector<std::string> faults;
  std::vector<std::string> ids;
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 5;
  std::uint64_t seconds = 50;
  bool soaks = false;
};

// Has it been named, or has nothing?
bool is_wanted(const std::vector<std::string>& wanted, std::string_view name);

// What prefork promises although its system calls fail, and the kinds of faults that it can meet.
inline constexpr Faults prefork_faults =
    process_faults | only(Fault::short_read) | only(Fault::interrupted) | only(Fault::spurious) |
    only(Fault::no_kernel_memory) | only(Fault::no_memory) | only(Fault::delay);
extern const std::vector<Check> prefork_checks;

// Good and bad clients in rounds, until the seconds are over. Returns the exit status.
int soak(const Settings& settings);
