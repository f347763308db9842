// submission.hpp — one file that somebody else has written: compiled, and graded.
//
// Gives: a report of it. The compiler reads it as what runs it does: as another user, in the same
//        confinement. Nothing else of the grader reads it, but to copy it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/grade/exercise.hpp"
#include "tests/grade/report.hpp"
#include "tests/kit/containment.hpp"

// What lies in a folder, and in those in it. Links are not followed.
class HandedIn {
 public:
  explicit HandedIn(const std::string& folder);

  struct Job {
    const Exercise* exercise = nullptr;  // none: the quiz
    std::string file;
    std::string problem;  // if there is none, but one of nearly its name
  };
  std::vector<Job> jobs() const;       // of all exercises, those that have been handed in
  Job job_for(const Exercise*) const;  // has neither file nor problem if that one has not been
  std::string what_is_there() const;   // for whoever misses a file, with what is looked for

 private:
  std::multimap<std::string, std::string> files_;  // paths by the name of the file
};

// Does a folder of this name come from no student, but from an archive, a file system, or git?
bool is_of_a_system(const std::string& name);

struct Bench {
  std::string build;        // where our own programs are
  std::string room;         // a folder that is ours alone, where programs can be started
  Containment containment;  // of what try_out() has found
};

// `progress` gets what is known so far. Throws if the grader itself could not go on.
Report grade_submission(const Exercise& exercise, const std::string& file, const Bench& bench,
                        const std::function<void(const Report&)>& progress);

// Lets BUILD/quiz grade a file of answers, and makes a report of it: a check and a point for every
// question. `log` is a file to write to; `confine` is run_bounded()'s.
Report grade_quiz(const std::string& build, const std::string& answers, const std::string& log,
                  const std::function<void()>& confine = {});

// The same with a file that somebody else has written.
Report grade_answers(const std::string& file, const Bench& bench);

// Runs make for targets of ours, with the bounds of run_bounded(). Its exit status.
int make(const std::string& build, std::vector<std::string> words, const std::string& log,
         const std::function<void()>& confine = {});

// A report that has nothing but a problem, and will not have more.
Report with_problem(const std::string& exercise, const std::string& problem,
                    const std::string& fault = "");

std::string beginning_of(const std::string& path, std::size_t most);
