#include "tests/grade/submission.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/grade/child.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/grade/grading.hpp"
#include "tests/grade/quiz_item.hpp"

namespace {

namespace files = std::filesystem;

constexpr std::uintmax_t most_source = 1'000'000;
constexpr std::uintmax_t most_program = 64 << 20;

// The student's file beside nothing else, in a folder that belongs to the compiler. What comes out
// of it becomes ours before anybody runs it.
class Workbench {
 public:
  Workbench(const Exercise& exercise, const std::string& file, const Bench& bench)
      : exercise_(exercise), bench_(bench), desk_(bench.room) {
    copy_file_of_others(file, source(), 0644, most_source);
  }

  // What make has said of it; nothing if it has made bench.room/NAME.
  std::string compile(const std::string& target, const std::string& name) {
    const int status = make(bench_.build,
                            {target, std::string("EX=") + exercise_.name, "FROM=" + source(),
                             "INTO=" + desk_.path() + "/program"},
                            log(), [&] { contain_reader(bench_.containment, desk_.path()); });
    if (status > 2)  // none of make's
      throw std::runtime_error("the compiler could not be confined, or started");
    if (status == 0) {
      copy_file_of_others(desk_.path() + "/" + name, bench_.room + "/" + name, 0755, most_program);
      if (access((bench_.room + "/" + name).c_str(), X_OK) != 0)
        throw std::runtime_error("programs cannot be started in " + bench_.room +
                                 ": is it mounted noexec?");
      return "";
    }
    return (status < 0 ? "The compiler did not end in time.\n" : "It does not compile:\n") + said();
  }

  // The last compiler's words, with the name of the file as its writer knows it.
  std::string said() const {
    std::string text = beginning_of(log(), 20'000);
    const std::string folder = desk_.path() + "/";
    for (std::size_t at = 0; (at = text.find(folder, at)) != text.npos;)
      text.erase(at, folder.size());
    return escaped(text, 6000);
  }

 private:
  std::string source() const { return desk_.path() + "/" + exercise_.student_file; }
  std::string log() const { return bench_.room + "/compiler.txt"; }

  const Exercise& exercise_;
  const Bench& bench_;
  const Room desk_;
};

}  // namespace

Report with_problem(const std::string& exercise, const std::string& problem,
                    const std::string& fault) {
  Report report;
  report.exercise = exercise;
  report.problem = problem;
  report.fault = fault;
  return report;
}

std::string beginning_of(const std::string& path, std::size_t most) {
  std::ifstream file(path, std::ios::binary);
  std::string text(most, '\0');
  file.read(text.data(), static_cast<std::streamsize>(most));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

int make(const std::string& build, std::vector<std::string> words, const std::string& log,
         const std::function<void()>& confine) {
  constexpr double most_seconds = 240;
  // Started by a make itself, it would look for that one's jobs in descriptors that it has not.
  unsetenv("MAKEFLAGS");
  unsetenv("MFLAGS");
  const std::string at_once = "-j" + std::to_string(sysconf(_SC_NPROCESSORS_ONLN));
  words.insert(words.begin(), {"make", at_once, "-s", "--no-print-directory", "BUILD=" + build});
  return run_bounded(words, log, most_seconds, confine);
}

Report grade_submission(const Exercise& exercise, const std::string& file, const Bench& bench,
                        const std::function<void(const Report&)>& progress) {
  if (files::is_regular_file(file) && files::file_size(file) > most_source)
    return with_problem(exercise.name, "The file is larger than a megabyte.");
  Workbench workbench(exercise, file, bench);
  if (const std::string why = workbench.compile("submission", "program"); !why.empty())
    return with_problem(exercise.name, why);
  const std::string compiler = workbench.said();
  GradingOptions options;
  for (const Rebuild& rebuild : rebuilds_of(exercise)) {
    const std::string name = std::string("program.") + rebuild.name;
    if (workbench.compile(std::string("submission-") + rebuild.name, name).empty())
      options.rebuilt[rebuild.check] = bench.room + "/" + name;
  }
  options.containment = bench.containment;
  options.room = bench.room;
  const Tested tested{.name = exercise.name,
                      .path = bench.room + "/program",
                      .model = exercise.model,
                      .build = files::absolute(bench.build).string()};
  Report report = grade(exercise.name, tested, tasks_of(exercise, ""), options,
                        [&](const Report& so_far, std::size_t) { progress(so_far); });
  report.compiler = compiler;
  return report;
}

Report grade_answers(const std::string& file, const Bench& bench) {
  const Room desk(bench.room);
  const std::string copy = desk.path() + "/answers.txt";
  copy_file_of_others(file, copy, 0644, most_source);
  return grade_quiz(bench.build, copy, bench.room + "/quiz.txt",
                    [&] { contain_reader(bench.containment, desk.path()); });
}
