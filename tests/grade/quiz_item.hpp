// quiz_item.hpp — the questions of lessons.md as one more item to be graded.
#pragma once

#include <functional>
#include <string>

#include "tests/grade/report.hpp"

// Lets BUILD/quiz grade a file of answers, and makes a report of it: a check and a point for every
// question. `log` is a file to write to; `confine` is run_bounded()'s.
Report grade_quiz(const std::string& build, const std::string& answers, const std::string& log,
                  const std::function<void()>& confine = {});
