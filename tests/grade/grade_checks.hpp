// grade_checks.hpp — the checks that only exercises need, beside the shared table.
//
// Do: write a check here only if no server of ours could be asked it. Everything else belongs into
//     tests/behaviour, where our own servers must pass it first.
#pragma once

#include <span>
#include <vector>

#include "tests/grade/exercise.hpp"

std::span<const Check> bug_checks();       // checks_bugs.cpp
std::span<const Check> chat_checks();      // checks_chat.cpp
std::span<const Check> contract_checks();  // checks_contract.cpp
std::span<const Check> crew_checks();      // checks_crew.cpp
std::span<const Check> deadline_checks();  // checks_deadlines.cpp
std::span<const Check> edge_checks();      // checks_edges.cpp
std::span<const Check> offload_checks();   // checks_offload.cpp
std::span<const Check> await_timer_checks();
std::span<const Check> c10k_checks();
std::span<const Check> build_checks();  // checks_builds.cpp

// The program is built again for these: in BUILD/NAME, with the flags of tests/grade/rules.mk.
struct Rebuild {
  const char* check;
  const char* name;
};
std::span<const Rebuild> rebuilds();
std::vector<Rebuild> rebuilds_of(const Exercise& exercise);
std::span<const Check> killing_checks();  // checks_killing.cpp

// The shared table and these.
std::vector<Check> all_grade_checks();
