// submission.hpp — one file that somebody else has written: compiled, and graded.
//
// Gives: a report of it. The compiler reads it as what runs it does: as another user, in the same
//        confinement. Nothing else of the grader reads it, but to copy it.
#pragma once

#include <functional>
#include <string>

#include "tests/grade/containment.hpp"
#include "tests/grade/exercise.hpp"
#include "tests/grade/report.hpp"

struct Bench {
  std::string build;        // where our own programs are
  std::string room;         // a folder that is ours alone, where programs can be started
  Containment containment;  // of what try_out() has found
};

// `progress` gets what is known so far. Throws if the grader itself could not go on.
Report grade_submission(const Exercise& exercise, const std::string& file, const Bench& bench,
                        const std::function<void(const Report&)>& progress);

// A file of answers for the quiz.
Report grade_answers(const std::string& file, const Bench& bench);

// Runs make for targets of ours, with the bounds of run_bounded(). Its exit status.
int make(const std::string& build, std::vector<std::string> words, const std::string& log,
         const std::function<void()>& confine = {});

// Of a report that has nothing but a problem.
Report with_problem(const std::string& exercise, const std::string& problem,
                    const std::string& fault = "");

std::string beginning_of(const std::string& path, std::size_t most);
