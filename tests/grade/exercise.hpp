// exercise.hpp — the exercises, and what each is graded by.
//
// Gives: for every exercise its place, the file that is the student's, and its checks with points
//        that sum to 100. A check is named by its id; the table in tests/behaviour and the few
//        checks beside this file hold the rest.
// Do:    name as parent a check without which this one would say nothing; it then counts as
//        blocked, and says by whom. Keep `baseline` true: a test grades the starter with it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tests/kit/check.hpp"

struct Point {
  const char* id;
  int points;
  const char* parent = "A00";
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
const Exercise* find_exercise(std::string_view name);
