// exercise.hpp — the exercises, and what each is graded by.
//
// Gives: what exercise.mk says in the folder of each: tests/grade/exercises.awk makes C++ of it. A
//        check is named by its id; the table in tests/behaviour and the few checks beside this file
//        hold the rest. One whose parent has not passed counts as blocked, and says by whom.
#pragma once

#include <span>
#include <string_view>

#include "tests/kit/check.hpp"

struct Point {
  const char* id;
  int points;
  const char* parent;  // "" for none
};

struct Exercise {
  const char* name;
  const char* folder;
  const char* student_file;
  Models model;
  int baseline;  // what the starter scores
  std::span<const Point> points;
  int for_each_core = 1;  // checks at a time; more where they wait more than they work
};

std::span<const Exercise> exercises();

inline const Exercise* find_exercise(std::string_view name) {
  for (const Exercise& exercise : exercises())
    if (exercise.name == name) return &exercise;
  return nullptr;
}
