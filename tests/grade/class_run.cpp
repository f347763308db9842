#include "tests/grade/class_run.hpp"

#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "common/error.hpp"
#include "tests/grade/child.hpp"
#include "tests/grade/descendants.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/grade/grading.hpp"
#include "tests/grade/histogram.hpp"
#include "tests/grade/quiz_item.hpp"

namespace {

namespace files = std::filesystem;
using Clock = std::chrono::steady_clock;

// What nobody who hands something in should see while it is compiled and run.
constexpr const char* teachers_folders[] = {"tests/grade/solutions", "tests/grade/mutants",
                                            "tests/grade/golden", "tests/grade/correct"};

// One file that was handed in.
struct Job {
  std::string student;
  const Exercise* exercise;  // none: the quiz
  std::string file;

  std::string name() const { return exercise == nullptr ? "quiz" : exercise->name; }
};

struct Running {
  Child child;
  Job job;
  Clock::time_point begin;
};

std::string beginning_of(const std::string& path, std::size_t most) {
  std::ifstream file(path, std::ios::binary);
  std::string text(most, '\0');
  file.read(text.data(), static_cast<std::streamsize>(most));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

// A file wherever in the submission, best in its folder. Links are not followed.
std::string find_file(const files::path& submission, const std::string& folder,
                      const std::string& name) {
  constexpr int most_looked_at = 2000;
  int looked_at = 0;
  std::set<std::string> candidates;  // in an order that does not depend on the disk
  std::error_code problem;
  for (files::recursive_directory_iterator entry(submission, problem), end; entry != end;
       entry.increment(problem)) {
    if (problem || ++looked_at > most_looked_at) break;
    if (entry->is_symlink(problem) || !entry->is_regular_file(problem)) continue;
    if (entry->path().filename() != name) continue;
    candidates.insert(entry->path().string());
  }
  for (const std::string& path : candidates)
    if (path.find(folder) != std::string::npos) return path;
  return candidates.empty() ? "" : *candidates.begin();
}

class ClassRun {
 public:
  explicit ClassRun(const ClassOptions& options)
      : options_(options), room_(temporary_folder()), results_(files::absolute(options.results)) {
    hidden_ = {results_, files::absolute(options.submissions)};
    for (const char* folder : teachers_folders) hidden_.push_back(files::absolute(folder));
  }

  int run() {
    adopt_orphans();
    files::create_directories(results_);
    say_what_holds();
    prepare_builds();
    find_jobs();
    while (!waiting_.empty() || !running_.empty()) {
      while (!waiting_.empty() && running_.size() < static_cast<std::size_t>(options_.parallel))
        start_next();
      watch();
    }
    write_all_again();
    std::printf("%zu submissions, %zu results: see %s/summary.csv, histogram.txt and .svg\n",
                students_, reports_.size(), options_.results.c_str());
    return has_error_ ? 2 : 0;
  }

 private:
  static void say_what_holds() {
    const bool is_alone = enter_empty_network();
    std::printf(
        "Each submission runs as this user, in processes that are watched for time, memory and\n"
        "number; %s; %s.\n"
        "That holds accidents, not attacks: for unknown code use a virtual machine.\n",
        is_alone ? "in a network of its own"
                 : "NOT network-isolated, because this system does not allow it",
        can_hide_folders() ? "with the results, the solutions and the other submissions hidden"
                           : "able to READ the results and the other submissions, because this "
                             "system does not allow hiding them");
  }

  // What all submissions share is built before any of them, so that no two build it at once.
  void prepare_builds() {
    std::printf("building what all submissions share\n");
    const std::string log = room_.path() + "/given.txt";
    if (make({"given", "beside"}, log, {}) != 0)
      throw std::runtime_error("make given beside failed: " + beginning_of(log, 2000));
    for (const Rebuild& rebuild : rebuilds())
      if (make({std::string("given-") + rebuild.name}, log, {}) != 0)
        std::printf("there is no build with %s: its checks are skipped\n", rebuild.name);
  }

  int make(std::vector<std::string> words, const std::string& log,
           const std::vector<std::string>& hidden) const {
    constexpr double most_seconds = 240;
    // Started by a make itself, it would look for that one's jobs in descriptors that it has not.
    unsetenv("MAKEFLAGS");
    unsetenv("MFLAGS");
    words.insert(words.begin(), {"make", "-s", "--no-print-directory", "BUILD=" + options_.build});
    return run_bounded(words, log, most_seconds, hidden);
  }

  void find_jobs() {
    std::vector<files::path> submissions;
    for (const auto& entry : files::directory_iterator(options_.submissions))
      if (entry.is_directory() && !entry.is_symlink()) submissions.push_back(entry.path());
    std::sort(submissions.begin(), submissions.end());
    students_ = submissions.size();
    for (const files::path& submission : submissions) {
      const std::string student = submission.filename().string();
      const std::size_t before = waiting_.size();
      for (const Exercise& exercise : exercises())
        if (const std::string file = find_file(submission, exercise.folder, exercise.student_file);
            !file.empty())
          waiting_.push_back({student, &exercise, file});
      if (const std::string file = find_file(submission, "", "answers.txt"); !file.empty())
        waiting_.push_back({student, nullptr, file});
      if (waiting_.size() == before)
        note(student, with_problem("none", "There is no file of any exercise in this submission."));
    }
  }

  static Report with_problem(const std::string& exercise, const std::string& problem) {
    Report report;
    report.exercise = exercise;
    report.problem = problem;
    return report;
  }

  // -- one file --

  void start_next() {
    const Job job = waiting_.front();
    waiting_.pop_front();
    ++started_;
    save_result(job.student,
                with_problem(job.name(), "The grader was stopped before it had this."));
    running_.push_back({Child([&] { return packed(grade_job(job)); }), job, Clock::now()});
  }

  // In a process of its own.
  Report grade_job(const Job& job) const {
    try {
      const std::string work = room_.path() + "/" + std::to_string(started_);
      if (job.exercise == nullptr) return grade_quiz(options_.build, job.file, work + ".txt");
      return grade_file(job, work);
    } catch (const std::exception& problem) {
      return with_problem(job.name(), std::string("The grader could not go on: ") + problem.what());
    }
  }

  Report grade_file(const Job& job, const std::string& work) const {
    const Exercise& exercise = *job.exercise;
    if (files::file_size(job.file) > 1'000'000)
      return with_problem(exercise.name, "The file is larger than a megabyte.");
    const std::string copy = work + ".cpp";
    const std::string log = work + ".compiler.txt";
    files::copy_file(job.file, copy);
    const std::vector<std::string> what{std::string("EX=") + exercise.name, "FROM=" + copy,
                                        "INTO=" + work};
    const auto built = [&](const std::string& target, const std::string& output) {
      std::vector<std::string> words{target};
      words.insert(words.end(), what.begin(), what.end());
      return make(words, output, hidden_);
    };
    const int status = built("submission", log);
    const std::string compiler = escaped(beginning_of(log, 6000), 6000);
    if (status != 0)
      return with_problem(exercise.name, (status < 0 ? "The compiler did not end in time.\n"
                                                     : "It does not compile:\n") +
                                             compiler);
    GradingOptions options;
    for (const Rebuild& rebuild : rebuilds_of(exercise))
      if (built(std::string("submission-") + rebuild.name, log + ".again") == 0)
        options.rebuilt[rebuild.check] = work + "." + rebuild.name;
    files::remove(copy);
    options.containment = {.is_wanted = true, .hidden = hidden_};
    options.room = room_.path();
    const Tested tested{.name = exercise.name,
                        .path = work,
                        .model = exercise.model,
                        .build = files::absolute(options_.build).string()};
    Report report =
        grade(exercise.name, tested, tasks_of(exercise, ""), options,
              [&](const Report& so_far, std::size_t) { save_result(job.student, so_far); });
    report.compiler = compiler;
    return report;
  }

  void watch() {
    constexpr double most_seconds = 1200;
    std::vector<pollfd> watched;
    for (const Running& one : running_) watched.push_back({one.child.fd(), POLLIN, 0});
    if (poll(watched.data(), static_cast<nfds_t>(watched.size()), 1000) < 0 && errno != EINTR)
      throw CallFailed("poll", errno);
    for (std::size_t i = running_.size(); i-- > 0;) {
      Running& one = running_[i];
      if (Clock::now() - one.begin > std::chrono::duration<double>(most_seconds)) one.child.kill();
      if (watched[i].revents != 0 && !one.child.take()) collect(i);
    }
  }

  void collect(std::size_t place) {
    const auto [one, status] = take_ended(running_, place);
    std::optional<Report> report = unpacked(one.child.received());
    if (!report)
      report = with_problem(one.job.name(), "The process that graded this " +
                                                describe_status(status) + " before it had ended.");
    note(one.job.student, *report);
  }

  // -- what has come of it --

  void save_result(const std::string& student, const Report& report) const {
    save(results_ + "/" + student + "." + report.exercise + ".json", as_json(report));
  }

  void note(const std::string& student, Report report) {
    report.is_finished = true;
    has_error_ = has_error_ || report.has_error();
    save_result(student, report);
    save(results_ + "/" + student + "." + report.exercise + ".junit.xml", as_junit(report));
    reports_.insert_or_assign({student, report.exercise}, report);
    write_overview();
    const std::string problem = first_words(report.problem);
    std::printf("%-24s %s%s%s\n", escaped(student, 60).c_str(), bar_for(report).c_str(),
                problem.empty() ? "" : "  ", problem.c_str());
    std::fflush(stdout);
  }

  // From our own memory, now that nothing of theirs runs any more: whatever has been done to the
  // files meanwhile is undone.
  void write_all_again() const {
    for (const auto& [key, report] : reports_) {
      save_result(key.first, report);
      save(results_ + "/" + key.first + "." + key.second + ".junit.xml", as_junit(report));
    }
    write_overview();
  }

  void write_overview() const {
    std::string text = "student,exercise,score,of,problem,lost,late\n";
    for (const auto& [key, report] : reports_) {
      std::string lost;
      std::string late;
      for (const CheckReport& check : report.checks) {
        if (check.verdict == Verdict::inconclusive) late += (late.empty() ? "" : " ") + check.id;
        if (is_lost(check)) lost += (lost.empty() ? "" : " ") + check.id;
      }
      text += in_csv(key.first) + "," + key.second + "," + std::to_string(report.score()) + "," +
              std::to_string(report.problem.empty() ? report.most() : 100) + "," +
              in_csv(first_words(report.problem)) + "," + lost + "," + late + "\n";
    }
    save(results_ + "/summary.csv", text);
    save(results_ + "/histogram.txt", histogram_as_text(histograms()));
    save(results_ + "/histogram.svg", histogram_as_drawing(histograms()));
  }

  static bool is_lost(const CheckReport& check) {
    return check.verdict == Verdict::failed || check.verdict == Verdict::blocked;
  }

  static std::string first_words(const std::string& problem) {
    return problem.substr(0, problem.find_first_of(":\n."));
  }

  // A spreadsheet takes what begins with = + - @ for a formula.
  static std::string in_csv(const std::string& text) {
    if (text.empty()) return text;
    std::string result = "\"";
    if (std::strchr("=+-@", text.front()) != nullptr) result += '\'';
    for (const char c : escaped(text, 200))
      result += c == '"' ? std::string("\"\"") : std::string(1, c == '\n' ? ' ' : c);
    return result + '"';
  }

  // Which check did the class fail, and how are the scores spread?
  std::vector<ClassHistogram> histograms() const {
    std::map<std::string, ClassHistogram> by_exercise;
    for (const auto& [key, report] : reports_) {
      ClassHistogram& histogram = by_exercise[key.second];
      histogram.exercise = key.second;
      const int most = report.problem.empty() ? std::max(report.most(), 1) : 100;
      ++histogram.scores[static_cast<std::size_t>(report.score() * 10 / most)];
      for (const CheckReport& check : report.checks) histogram.add(check, is_lost(check));
    }
    std::vector<ClassHistogram> all;
    for (const auto& [name, histogram] : by_exercise) all.push_back(histogram);
    return all;
  }

  const ClassOptions& options_;
  const Room room_;  // programs, and the folders that they run in
  const std::string results_;
  std::vector<std::string> hidden_;
  std::size_t students_ = 0;
  std::size_t started_ = 0;
  std::deque<Job> waiting_;
  std::vector<Running> running_;
  std::map<std::pair<std::string, std::string>, Report> reports_;  // by student and exercise
  bool has_error_ = false;
};

}  // namespace

int grade_class(const ClassOptions& options) {
  return ClassRun(options).run();
}
