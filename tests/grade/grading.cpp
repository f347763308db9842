#include "tests/grade/grading.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <stdexcept>

#include "common/error.hpp"
#include "tests/grade/child.hpp"
#include "tests/grade/descendants.hpp"
#include "tests/grade/grade_checks.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t most_memory_kib = 1024 * 1024;
constexpr std::size_t most_processes = 200;
constexpr double most_check_seconds = 60;
constexpr std::size_t most_story = 64 * 1024;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// In the process of one check: the outcome as a digit, and the story.
std::string result_of(const Task& task, const Tested& tested, const GradingOptions& options) {
  std::optional<Room> room;
  if (options.containment.is_wanted)
    contain_this_process(options.containment, room.emplace(options.room).path());
  const Result result = run_check(task.check, tested, task.again);
  const std::string digit(1, static_cast<char>('0' + static_cast<int>(result.outcome)));
  return digit + result.story.substr(0, most_story);
}

// -- in the grader --

struct Running {
  Child child;
  std::size_t number;
  Clock::time_point begin;
  std::string violation = {};
};

class Grading {
 public:
  Grading(const std::string& exercise, const Tested& tested, const std::vector<Task>& tasks,
          const GradingOptions& options, const Progress& progress)
      : tested_(tested), tasks_(tasks), options_(options), progress_(progress) {
    report_.exercise = exercise;
    tested_.patience = options.patience;
    for (const Task& task : tasks) {
      CheckReport check;
      check.id = task.check.id;
      check.title = task.check.title;
      check.points = task.points;
      check.hint = task.check.hint;
      check.lesson = task.check.lesson;
      check.again = task.again;
      check.saw = "not run: the grader was stopped before it came to this check";
      report_.checks.push_back(check);
    }
    is_done_.resize(tasks.size());
    has_begun_.resize(tasks.size());
    is_rebuilt_.resize(tasks.size());
  }

  Report run() {
    adopt_orphans();
    tell();
    run_all();
    if (was_late_ || is_crowded()) confirm_failures();
    run_rebuilt();
    report_.seconds = seconds_since(begin_);
    report_.is_finished = true;
    return report_;
  }

 private:
  void run_all() {
    while (std::find(is_done_.begin(), is_done_.end(), false) != is_done_.end()) {
      start_what_can_be();
      if (running_.empty()) continue;  // only blocked ones have ended
      watch();
    }
  }

  void start_what_can_be() {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (has_begun_[i]) continue;
      if (seconds_since(begin_) > options_.most_seconds) {
        give_up(i, "not run: the time for all checks together was used up");
        continue;
      }
      const std::optional<std::size_t> parent = find(tasks_[i].parent);
      if (parent && !is_done_[*parent]) continue;
      if (parent && report_.checks[*parent].earned() < report_.checks[*parent].points) {
        const Verdict verdict = report_.checks[*parent].verdict;
        if (verdict == Verdict::failed || verdict == Verdict::blocked) {
          has_begun_[i] = true;
          report_.checks[i].verdict = Verdict::blocked;
          report_.checks[i].saw = "not run: " + tasks_[i].parent + " must pass first";
          finish(i);
          continue;
        }
      }
      if (tasks_[i].check.run == nullptr) {  // it waits for all the others: run_rebuilt()
        has_begun_[i] = is_done_[i] = is_rebuilt_[i] = true;
        continue;
      }
      if (running_.size() < static_cast<std::size_t>(options_.parallel)) start(i);
    }
  }

  std::optional<std::size_t> find(const std::string& id) const {
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      if (tasks_[i].check.id == id) return i;
    return std::nullopt;
  }

  void give_up(std::size_t number, const std::string& why) {
    has_begun_[number] = true;
    report_.checks[number].verdict = Verdict::failed;
    report_.checks[number].saw = why;
    finish(number);
  }

  void start(std::size_t number) {
    has_begun_[number] = true;
    running_.push_back({Child([&] { return result_of(tasks_[number], tested_, options_); }), number,
                        Clock::now()});
  }

  // Waits until a check has ended, or 50 ms.
  void watch() {
    std::vector<pollfd> watched;
    for (const Running& one : running_) watched.push_back({one.child.fd(), POLLIN, 0});
    const auto before = Clock::now();
    if (poll(watched.data(), static_cast<nfds_t>(watched.size()), 50) < 0 && errno != EINTR)
      throw CallFailed("poll", errno);
    if (seconds_since(before) > 0.3) was_late_ = true;
    for (std::size_t i = running_.size(); i-- > 0;) {
      const bool has_ended = watched[i].revents != 0 && !running_[i].child.take();
      if (has_ended)
        collect(i);
      else
        look_after(running_[i]);
    }
  }

  static void look_after(Running& one) {
    if (!one.violation.empty()) return;
    if (seconds_since(one.begin) > most_check_seconds)
      one.violation = "the check did not end within a minute, and was ended.";
    const std::vector<pid_t> descendants = descendants_of(one.child.process());
    std::size_t memory = 0;
    for (const pid_t process : descendants) memory += resident_kib_of(process);
    if (descendants.size() > most_processes)
      one.violation = "the program started more than " + std::to_string(most_processes) +
                      " processes, and was ended.";
    if (memory > most_memory_kib)
      one.violation = "the program used more than 1 GiB of memory, and was ended.";
    if (one.violation.empty()) return;
    one.child.kill();  // what it leaves behind becomes ours; see collect
  }

  void collect(std::size_t place) {
    const auto [one, status] = take_ended(running_, place);
    CheckReport& check = report_.checks[one.number];
    check.seconds = seconds_since(one.begin);
    judge(one, status, check);
    finish(one.number);
  }

  static void judge(const Running& one, int status, CheckReport& check) {
    check.saw.clear();
    if (!one.violation.empty()) {
      check.verdict = Verdict::failed;
      check.saw = one.violation;
      return;
    }
    if (one.child.received().empty()) {
      const bool was_killed = WIFSIGNALED(status);
      check.verdict = was_killed ? Verdict::failed : Verdict::error;
      check.saw = was_killed
                      ? "the process of this check was killed by a signal. Does your program "
                        "send one to its parent, or to everybody?"
                      : "the process of this check ended without a result";
      return;
    }
    const std::string story = one.child.received().substr(1);
    switch (static_cast<Outcome>(one.child.received()[0] - '0')) {
      case Outcome::passed:
        check.verdict = Verdict::passed;
        return;
      case Outcome::failed:
        check.verdict = Verdict::failed;
        read_story(story, check);
        return;
      case Outcome::skipped:
        check.verdict = Verdict::skipped;
        break;
      case Outcome::inconclusive:
        check.verdict = Verdict::inconclusive;
        break;
      default:
        check.verdict = Verdict::error;
    }
    check.saw = escaped(story, 3000);
  }

  void finish(std::size_t number) {
    is_done_[number] = true;
    if (is_confirming_) return;
    ++ended_;
    tell();
  }

  void tell() {
    report_.seconds = seconds_since(begin_);
    if (progress_) progress_(report_, ended_);
  }

  // -- the grader itself was late --

  static bool is_crowded() {
    double load = 0;
    return getloadavg(&load, 1) == 1 &&
           load > 3.0 * static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  }

  // On a crowded machine silence may be the machine's. A few failures are looked at once more,
  // alone and with more patience; if there are many, it is not the machine.
  void confirm_failures() {
    std::vector<std::size_t> failed;
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      if (report_.checks[i].verdict == Verdict::failed) failed.push_back(i);
    if (failed.empty() || failed.size() > 8) return;
    is_confirming_ = true;
    tested_.patience = default_patience;
    for (const std::size_t i : failed) {
      const std::string at_first = report_.checks[i].saw;
      is_done_[i] = false;
      start(i);
      while (!running_.empty()) watch();
      if (report_.checks[i].verdict != Verdict::passed) continue;
      report_.checks[i].verdict = Verdict::inconclusive;
      report_.checks[i].saw =
          "This machine was busy. Repeated alone, the check passed; at first I saw: " + at_first;
    }
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      if (report_.checks[i].verdict == Verdict::blocked) is_done_[i] = has_begun_[i] = false;
    run_all();
    is_confirming_ = false;
  }

  // -- the program built again --

  void run_rebuilt() {
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      if (is_rebuilt_[i]) {
        judge_rebuilt(tasks_[i], report_.checks[i]);
        finish(i);
      }
  }

  // Every check that has passed is asked once more. Only what the sanitizer says counts: such a
  // program is slow, and what it does in time has been judged already.
  void judge_rebuilt(const Task& task, CheckReport& check) {
    const auto begin = Clock::now();
    const auto program = options_.rebuilt.find(task.check.id);
    check.verdict = Verdict::skipped;
    check.saw = "there is no program built for this: the compiler may not have the sanitizer";
    if (program == options_.rebuilt.end() || access(program->second.c_str(), X_OK) != 0) return;
    std::vector<Task> again;
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      if (tasks_[i].check.run != nullptr && report_.checks[i].verdict == Verdict::passed)
        again.push_back({tasks_[i].check, 0, "", task.again});
    Tested rebuilt = tested_;
    rebuilt.path = program->second;
    Grading grading(report_.exercise, rebuilt, again, options_, {});
    grading.run_all();
    read_complaints(grading.report_, check);
    check.seconds = seconds_since(begin);
  }

  static void read_complaints(const Report& seen, CheckReport& check) {
    std::string complained;
    std::string first;
    for (const CheckReport& one : seen.checks) {
      const std::size_t place = find_complaint(one.saw);
      if (one.verdict != Verdict::failed || place == std::string::npos) continue;
      complained += (complained.empty() ? "" : " ") + one.id;
      if (first.empty()) first = one.saw.substr(place);
    }
    const bool works = !seen.checks.empty() && seen.checks.front().verdict == Verdict::passed;
    check.verdict = works ? Verdict::passed : Verdict::skipped;
    check.saw = works ? "" : "a program that is built with this sanitizer does not run here";
    if (complained.empty()) return;
    check.verdict = Verdict::failed;
    check.did = "I built your program again with the sanitizer, and repeated what had passed.";
    check.expected = "no report: the checks pass, and nothing is wrong behind them.";
    check.saw = "a report with " + complained + ". The first:\n" + first;
  }

  Tested tested_;
  const std::vector<Task>& tasks_;
  const GradingOptions& options_;
  const Progress progress_;
  const Clock::time_point begin_ = Clock::now();
  Report report_;
  std::vector<bool> has_begun_;
  std::vector<bool> is_done_;
  std::vector<bool> is_rebuilt_;  // to be looked at when the others have ended
  std::size_t ended_ = 0;
  std::vector<Running> running_;
  bool was_late_ = false;
  bool is_confirming_ = false;
};

const Check& find_check(const std::vector<Check>& all, const std::string& id) {
  for (const Check& check : all)
    if (check.id == id) return check;
  throw std::invalid_argument("there is no check called " + id);
}

}  // namespace

std::vector<Check> all_grade_checks() {
  std::vector<Check> all = all_checks();
  for (const auto& some :
       {bug_checks(), chat_checks(), crew_checks(), deadline_checks(), offload_checks(),
        await_timer_checks(), c10k_checks(), killing_checks(), build_checks()})
    all.insert(all.end(), some.begin(), some.end());
  return all;
}

std::vector<Task> tasks_of(const Exercise& exercise, const std::string& only) {
  static const std::vector<Check> all = all_grade_checks();
  std::vector<std::string> wanted{only};
  if (!only.empty())
    for (std::size_t i = 0; i < wanted.size(); ++i)  // with those it builds on
      for (const Point& point : exercise.points)
        if (point.id == wanted[i] && *point.parent != '\0') wanted.emplace_back(point.parent);
  std::vector<Task> tasks;
  for (const Point& point : exercise.points) {
    const bool is_wanted =
        only.empty() || std::find(wanted.begin(), wanted.end(), point.id) != wanted.end();
    if (is_wanted)
      tasks.push_back({find_check(all, point.id), point.points, point.parent,
                       std::string("make grade EX=") + exercise.name + " ONLY=" + point.id});
  }
  const bool found = only.empty() || std::any_of(tasks.begin(), tasks.end(), [&](const Task& task) {
                       return task.check.id == only;
                     });
  if (!found)
    throw std::invalid_argument(std::string(exercise.name) + " has no check called " + only);
  return tasks;
}

std::vector<Task> tasks_of_model(Models model, const std::string& name) {
  std::vector<Task> tasks;
  for (const Check& check : all_checks())
    if ((check.models & model) != 0)
      tasks.push_back(
          {check, 0, "", "build/tests/behaviour --server=" + name + " -tc='*" + check.id + "*'"});
  return tasks;
}

Report grade(const std::string& exercise, const Tested& tested, const std::vector<Task>& tasks,
             const GradingOptions& options, const Progress& progress) {
  return Grading(exercise, tested, tasks, options, progress).run();
}
