// grading.hpp — an exercise's checks, run against one program.
//
// Gives: a Report. Each check runs in a process of its own, several at a time, and whatever it has
//        started is gone when it ends: the process adopts what the program leaves behind, and is
//        itself watched for time, memory and the number of its descendants. That holds accidents;
//        tests/kit/containment.hpp says what else.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/grade/exercise.hpp"
#include "tests/grade/report.hpp"
#include "tests/kit/containment.hpp"

struct Task {
  Check check;
  int points;
  std::string parent;  // an id, or ""
  std::string again;
};

struct GradingOptions {
  int parallel = 2;            // checks at a time
  int parallel_with_room = 2;  // the same where nobody stands in line for a core
  Containment containment;
  std::string room = temporary_folder();       // where each check gets a folder of its own
  std::map<std::string, std::string> rebuilt;  // the program as Y01 or Y02 want it, if it is there
  // Makes one of them, if it is made only when it is wanted; the report is all the rest.
  std::function<void(const std::string& program, const Report&)> build;
  Timeout timeout{2.5};
  double most_seconds = 120;  // for all checks together that fail
};

// The checks of an exercise, or only the one called `only` and those it builds on.
// Throws std::invalid_argument if there is none of this name.
std::vector<Task> tasks_of(const Exercise& exercise, const std::string& only);
// Every check of a model, without points: for servers that are no exercise.
std::vector<Task> tasks_of_model(Models model, const std::string& name);

// Runs them. `progress` is called before the first check and whenever one has ended, with what is
// known so far and how many have ended.
using Progress = std::function<void(const Report&, std::size_t)>;
Report grade(const std::string& exercise, const Tested& tested, const std::vector<Task>& tasks,
             const GradingOptions& options, const Progress& progress);
