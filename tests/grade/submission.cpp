#include "tests/grade/submission.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "tests/grade/child.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/grade/grading.hpp"

namespace {

namespace files = std::filesystem;

constexpr std::uintmax_t most_source = 1'000'000;
constexpr const char* too_large = "The file is larger than a megabyte.";
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

constexpr const char* file_of_answers = "answers.txt";

const char* file_of(const Exercise* exercise) {
  return exercise == nullptr ? file_of_answers : exercise->student_file;
}

// As it was before a browser, a course site or a system that knows no cases had it: "Echo (1).CPP",
// "echo-1.cpp" and "echo.cpp.txt" are all "echo.cpp".
std::string plain_name(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (name.size() > 8 && name.ends_with(".cpp.txt")) name.resize(name.size() - 4);
  const std::size_t dot = std::min(name.rfind('.'), name.size());
  std::size_t end = dot;
  while (end > 0 && std::strchr("0123456789()- ", name[end - 1]) != nullptr) --end;
  if (end > 0) name.erase(end, dot - end);
  return name;
}

}  // namespace

bool is_of_a_system(const std::string& name) {
  constexpr std::string_view known[] = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found",
                                        "System Volume Information"};
  return name.starts_with(".") ||
         std::find(std::begin(known), std::end(known), name) != std::end(known);
}

HandedIn::HandedIn(const std::string& folder) {
  constexpr int most_looked_at = 200'000;  // a working copy with all that was built, and more
  int looked_at = 0;
  std::error_code problem;
  constexpr auto readable = files::directory_options::skip_permission_denied;
  for (files::recursive_directory_iterator entry(folder, readable, problem), end; entry != end;
       entry.increment(problem)) {
    if (problem || ++looked_at > most_looked_at) break;
    const std::string name = entry->path().filename();
    if (is_of_a_system(name)) {
      entry.disable_recursion_pending();
      continue;
    }
    if (entry->is_symlink(problem) || !entry->is_regular_file(problem)) continue;
    files_.emplace(name, entry->path());
  }
}

// Wherever it lies, best in its folder. The order does not depend on the disk.
HandedIn::Job HandedIn::job_for(const Exercise* exercise) const {
  const std::string wanted = file_of(exercise);
  const std::string folder = exercise == nullptr ? "" : exercise->folder;
  const auto [begin, end] = files_.equal_range(wanted);
  std::set<std::pair<bool, std::string>> candidates;
  for (auto file = begin; file != end; ++file)
    candidates.emplace(file->second.find(folder) == std::string::npos, file->second);
  if (!candidates.empty()) return {exercise, candidates.begin()->second, ""};
  for (const auto& [name, path] : files_)
    if (plain_name(name) == wanted)
      return {exercise, "",
              "There is no " + wanted + ", but " + in_one_line(name, 100) +
                  ": only the name is wrong, and has to be " + wanted + "."};
  return {exercise, "", ""};
}

std::vector<HandedIn::Job> HandedIn::jobs() const {
  std::vector<Job> found;
  for (const Exercise& exercise : exercises()) found.push_back(job_for(&exercise));
  found.push_back(job_for(nullptr));
  std::erase_if(found, [](const Job& job) { return job.file.empty() && job.problem.empty(); });
  return found;
}

std::string HandedIn::what_is_there() const {
  std::string names;
  std::size_t count = 0;
  for (auto file = files_.begin(); file != files_.end(); file = files_.upper_bound(file->first))
    if (++count <= 10) names += (names.empty() ? "" : ", ") + in_one_line(file->first, 60);
  if (count > 10) names += " and " + std::to_string(count - 10) + " more";
  std::string wanted;
  for (const Exercise& exercise : exercises()) wanted += std::string(exercise.student_file) + ", ";
  return "There is no file of any exercise in this submission. There is: " +
         (names.empty() ? "nothing" : names) + ". Looked for: " + wanted + file_of_answers + ".";
}

Report with_problem(const std::string& exercise, const std::string& problem,
                    const std::string& fault) {
  Report report;
  report.exercise = exercise;
  report.problem = problem;
  report.fault = fault;
  report.is_finished = true;
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
  if (files::file_size(file) > most_source) return with_problem(exercise.name, too_large);
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
  options.parallel_with_room = options.parallel * exercise.for_each_core;
  options.containment = bench.containment;
  options.room = bench.room;
  const Tested tested{.name = exercise.name,
                      .path = bench.room + "/program",
                      .model = exercise.model,
                      .build = files::absolute(bench.build).string(),
                      .forgives_end = true};
  Report report = grade(exercise.name, tested, tasks_of(exercise, ""), options,
                        [&](const Report& so_far, std::size_t) { progress(so_far); });
  report.compiler = compiler;
  return report;
}

Report grade_quiz(const std::string& build, const std::string& answers, const std::string& log,
                  const std::function<void()>& confine) {
  constexpr double most_seconds = 20;
  if (run_bounded({build + "/quiz", "-a", answers}, log, most_seconds, confine) != 0) {
    const std::string said = beginning_of(log, 300);
    return with_problem(
        "quiz", "The answers cannot be graded. " + escaped(said.substr(0, said.find('\n')), 300));
  }
  Report report = with_problem("quiz", "");
  std::ifstream lines(log);  // "3.1   right", "3.2   wrong", "3.3   missing"
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id;
    std::string outcome;
    words >> id >> outcome;
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

Report grade_answers(const std::string& file, const Bench& bench) {
  if (files::file_size(file) > most_source) return with_problem("quiz", too_large);
  const Room desk(bench.room);
  const std::string copy = desk.path() + "/" + file_of_answers;
  copy_file_of_others(file, copy, 0644, most_source);
  return grade_quiz(bench.build, copy, bench.room + "/quiz.txt",
                    [&] { contain_reader(bench.containment, desk.path()); });
}
