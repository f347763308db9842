// grade_checks.hpp — the checks that only exercises need, beside the shared table.
//
// Do: write a check here only if no server of ours could be asked it. Everything else belongs into
//     tests/behaviour, where our own servers must pass it first.
#pragma once

#include <span>
#include <vector>

#include "tests/grade/exercise.hpp"

// The tables, one for each file of checks.
extern const std::span<const Check> bug_checks;
extern const std::span<const Check> chat_checks;
extern const std::span<const Check> contract_checks;
extern const std::span<const Check> crew_checks;
extern const std::span<const Check> deadline_checks;
extern const std::span<const Check> edge_checks;
extern const std::span<const Check> offload_checks;
extern const std::span<const Check> await_timer_checks;
extern const std::span<const Check> c10k_checks;
extern const std::span<const Check> killing_checks;
extern const std::span<const Check> build_checks;

// The program is built again for these: in BUILD/NAME, with the flags of tests/grade/rules.mk.
struct Rebuild {
  const char* check;
  const char* name;
};
inline constexpr Rebuild rebuilds[] = {{"Y01", "asan"}, {"Y02", "tsan"}};
std::vector<Rebuild> rebuilds_of(const Exercise& exercise);

// The shared table and these.
std::vector<Check> all_grade_checks();
