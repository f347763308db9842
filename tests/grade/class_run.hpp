// class_run.hpp — every submission of a class.
//
// Gives: for DIR/STUDENT/..., one result for each exercise in RESULTS, summary.csv, and how many
//        failed which check. Of a submission only the one file of each exercise is taken, wherever
//        it lies, and answers.txt for the quiz; makefiles, headers and all else are not looked at.
#pragma once

#include <string>

struct ClassOptions {
  std::string submissions;
  std::string results;
  std::string build = "build";
  int parallel = 1;  // files graded at once
};

// The exit status: 0 if everything that was handed in has a result, 2 if the grader failed at some.
int grade_class(const ClassOptions& options);
