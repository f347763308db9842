// grade_checks.hpp — the checks that only exercises need, beside the shared table.
//
// Do: write a check here only if no server of ours could be asked it. Everything else belongs into
//     tests/behaviour, where our own servers must pass it first.
#pragma once

#include <vector>

#include "tests/grade/exercise.hpp"

// The tables, one for each file of checks.
extern const std::vector<Check> bug_checks, chat_checks, contract_checks, crew_checks,
    deadline_checks, edge_checks, offload_checks, await_timer_checks, c10k_checks, killing_checks,
    build_checks;

// The program is built again for these: in BUILD/NAME, with the flags of tests/grade/rules.mk.
struct Rebuild {
  const char* check;
  const char* name;
};
inline constexpr Rebuild rebuilds[] = {{"Y01", "asan"}, {"Y02", "tsan"}};
std::vector<Rebuild> rebuilds_of(const Exercise& exercise);

// The shared table and these.
std::vector<Check> all_grade_checks();
