// class_run.hpp — every submission of a class, graded one after the other or several at once.
//
// Gives: for DIR/STUDENT/..., one result each in RESULTS, summary.csv, and how many failed which
//        check. Only the one file of each exercise is taken, wherever it lies in the submission;
//        makefiles, headers and everything else of it are not looked at.
#pragma once

#include <string>

struct ClassOptions {
  std::string submissions;
  std::string results;
  std::string build = "build";
  int parallel = 1;
};

// The exit status: 0 if every submission has a result.
int grade_class(const ClassOptions& options);
