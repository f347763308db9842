#include "tests/grade/quiz_item.hpp"

#include <fstream>
#include <sstream>

#include "tests/grade/child.hpp"

Report grade_quiz(const std::string& build, const std::string& answers, const std::string& log,
                  const std::function<void()>& confine) {
  Report report;
  report.exercise = "quiz";
  report.is_finished = true;
  constexpr double most_seconds = 20;
  if (run_bounded({build + "/quiz", "-a", answers}, log, most_seconds, confine) != 0) {
    std::ifstream said(log);
    std::string line;
    std::getline(said, line);
    report.problem = "The answers cannot be graded. " + escaped(line, 300);
    return report;
  }
  std::ifstream lines(log);  // "3.1   right", "3.2   wrong", "3.3   missing"
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id;
    std::string outcome;
    if (!(words >> id >> outcome)) continue;
    if (outcome != "right" && outcome != "wrong" && outcome != "missing") continue;
    CheckReport check;
    check.id = id;
    check.title = "question " + id + " of lesson " + id.substr(0, id.find('.'));
    check.points = 1;
    check.verdict = outcome == "right" ? Verdict::passed : Verdict::failed;
    check.did = "I looked up the answer to question " + id + " in the file.";
    check.expected = "the right one; lessons.md says which, and why.";
    check.saw = outcome == "missing" ? "none" : "another one";
    check.lesson = "lessons.md, quiz " + id;
    check.again = "make quiz LESSON=" + id.substr(0, id.find('.'));
    report.checks.push_back(check);
  }
  return report;
}
