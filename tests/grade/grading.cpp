#include "tests/grade/grading.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <stdexcept>

#include "common/error.hpp"
#include "tests/behaviour/catalogue.hpp"
#include "tests/grade/child.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/interruption.hpp"
#include "tests/kit/observe.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t most_memory_kib = 1024 * 1024;
constexpr std::size_t most_processes = 200;
constexpr double most_check_seconds = 60;
constexpr std::size_t most_story = 64 * 1024;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// How long this process has stood in line for a core, in seconds; 0 where nobody counts that.
double seconds_in_line() {
  std::ifstream file("/proc/self/schedstat");
  double run = 0;
  double waited = 0;
  return file >> run >> waited ? waited / 1e9 : 0;
}

// In the process of one check: the outcome as a digit, 'l' if it was late, and the story.
std::string result_of(const Task& task, const Tested& tested, const GradingOptions& options) {
  std::optional<Room> room;
  if (options.containment.is_wanted)
    contain_this_process(options.containment, room.emplace(options.room).path());
  else
    (void)setenv("TMPDIR", options.room.c_str(), 1);  // what a check leaves there goes with it
  const Result result = run_check(task.check, tested, task.again);
  const std::string digit(1, static_cast<char>('0' + static_cast<int>(result.outcome)));
  return digit + (seconds_in_line() > 0.3 ? "l" : "-") + result.story.substr(0, most_story);
}

// -- in the grader --

struct Violation {
  std::string expected;
  std::string saw;
};

struct Running {
  Child child;
  std::size_t number;
  Clock::time_point begin;
  std::optional<Violation> violation = {};
};

void fail(CheckReport& check, const std::string& did, const Violation& violation) {
  check.verdict = Verdict::failed;
  check.did = did;
  check.expected = violation.expected;
  check.saw = violation.saw;
}

class Grading {
 public:
  Grading(const std::string& exercise, const Tested& tested, const std::vector<Task>& tasks,
          const GradingOptions& options, const Progress& progress)
      : tested_(tested), tasks_(tasks), options_(options), progress_(progress) {
    report_.exercise = exercise;
    tested_.timeout = options.timeout;
    (void)sanitizers_in(tested.path);  // read once: the process of every check inherits the answer
    for (const Task& task : tasks) {
      CheckReport check;
      check.id = task.check.name.id;
      check.title = task.check.name.title;
      check.points = task.points;
      check.hint = task.check.hint.question;
      check.lesson = task.check.hint.lesson;
      check.again = task.again;
      check.saw = "not run: the grader was stopped before it came to this check";
      report_.checks.push_back(check);
    }
    is_done_.resize(tasks.size());
    has_begun_.resize(tasks.size());
  }

  Report run() {
    adopt_orphans();
    tell();
    run_all();
    repeat_inconclusive();
    confirm_failures();
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
    const auto most = static_cast<std::size_t>(is_crowded_now() ? options_.parallel
                                                                : options_.parallel_with_room);
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (has_begun_[i]) continue;
      if (failed_seconds_ > options_.most_seconds) {
        block(i, "the time for checks that fail was used up");
        continue;
      }
      const std::optional<std::size_t> parent = find(tasks_[i].parent);
      if (parent && !is_done_[*parent]) continue;
      if (parent && report_.checks[*parent].is_lost()) {
        block(i, tasks_[i].parent + " must pass first");
        continue;
      }
      if (tasks_[i].check.run.line == 0) {  // nothing of its own: run_rebuilt() asks all the others
        has_begun_[i] = is_done_[i] = true;
        continue;
      }
      if (running_.size() < most && knows_end_for(i)) start(i);
    }
  }

  // Whether the program ends well on SIGTERM is looked at after every check. One that never does
  // loses the check that is about that, and no others: they wait for it.
  bool knows_end_for(std::size_t number) const {
    const auto stop = stop_check();
    if (!tested_.forgives_end || number == 0 || !stop || number == *stop) return true;
    return is_done_[*stop] || tasks_[*stop].parent == tasks_[number].check.name.id;
  }
  bool forgives_end_in(std::size_t number) const {
    const auto stop = stop_check();
    if (!tested_.forgives_end || number == stop) return false;
    return number == 0 || !stop || report_.checks[*stop].verdict != Verdict::passed;
  }
  std::optional<std::size_t> stop_check() const {
    const auto of_servers = find("S01");
    return of_servers ? of_servers : find("K20");  // that of the rooms
  }

  std::optional<std::size_t> find(const std::string& id) const {
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      if (tasks_[i].check.name.id == id) return i;
    return std::nullopt;
  }

  void block(std::size_t number, const std::string& why) {
    has_begun_[number] = true;
    report_.checks[number].verdict = Verdict::blocked;
    report_.checks[number].saw = "not run: " + why;
    finish(number);
  }

  void start(std::size_t number) {
    has_begun_[number] = true;
    Tested tested = tested_;
    tested.forgives_end = forgives_end_in(number);
    running_.push_back(
        {Child([&] { return result_of(tasks_[number], tested, options_); }), number, Clock::now()});
  }

  // Waits until a check has ended, or 50 ms.
  void watch() {
    std::vector<pollfd> watched;
    for (const Running& one : running_) watched.push_back({one.child.fd(), POLLIN, 0});
    const auto before = Clock::now();
    if (poll(watched.data(), static_cast<nfds_t>(watched.size()), 50) < 0 && errno != EINTR)
      throw CallFailed("poll", errno);
    throw_if_interrupted();
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
    if (one.violation) return;
    if (seconds_since(one.begin) > most_check_seconds)
      one.violation = {"the check ends within a minute, whatever the program does.",
                       "it did not, and was ended."};
    const std::vector<pid_t> descendants = descendants_of(one.child.process());
    std::size_t memory = 0;
    for (const pid_t process : descendants) memory += resident_kib_of(process);
    if (descendants.size() > most_processes)
      one.violation = {
          "the program starts " + std::to_string(most_processes) + " processes at the most.",
          "it started more, and was ended."};
    if (memory > most_memory_kib)
      one.violation = {"the program uses 1 GiB of memory at the most.",
                       "it used more, and was ended."};
    if (!one.violation) return;
    one.child.kill();  // what it leaves behind becomes ours; see collect
  }

  void collect(std::size_t place) {
    const auto [one, status] = take_ended(running_, place);
    CheckReport& check = report_.checks[one.number];
    check.seconds = seconds_since(one.begin);
    judge(one, status, check);
    if (one.child.received().substr(0, 2).find('l') != std::string::npos) was_late_ = true;
    if (check.verdict == Verdict::failed) failed_seconds_ += check.seconds / options_.parallel;
    finish(one.number);
  }

  static void judge(const Running& one, int status, CheckReport& check) {
    constexpr const char* watching = "I ran this check, and watched it from outside.";
    check.saw.clear();
    if (one.violation) return fail(check, watching, *one.violation);
    if (one.child.received().size() < 2) {
      if (WIFSIGNALED(status))
        return fail(check, watching,
                    {"its process comes to a result.",
                     "a signal killed it. Does your program send one to its parent, or to "
                     "everybody?"});
      check.verdict = Verdict::error;
      check.saw = "the process of this check ended without a result";
      return;
    }
    const std::string story = one.child.received().substr(2);
    const auto outcome = static_cast<Outcome>(one.child.received()[0] - '0');
    check.verdict = outcome == Outcome::passed         ? Verdict::passed
                    : outcome == Outcome::failed       ? Verdict::failed
                    : outcome == Outcome::skipped      ? Verdict::skipped
                    : outcome == Outcome::inconclusive ? Verdict::inconclusive
                                                       : Verdict::error;
    if (outcome != Outcome::passed && outcome != Outcome::failed)
      check.saw = escaped(story, 3000);
    else if (!story.empty())
      read_story(story, check);
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

  // -- was it the machine? --

  // Of a hundred seconds among the last ten, those in which somebody stood in line for a core.
  static std::optional<double> pressure() {
    std::ifstream file("/proc/pressure/cpu");
    std::string words;
    constexpr std::string_view label = "some avg10=";
    if (!std::getline(file, words) || words.compare(0, label.size(), label) != 0) return {};
    return std::strtod(words.c_str() + label.size(), nullptr);
  }
  static bool has_high_load() {  // of a minute: slow to rise, and slow to fall
    double load = 0;
    return getloadavg(&load, 1) == 1 &&
           load > 3.0 * static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  }
  // By others: our own checks alone do not come near this.
  static bool is_crowded_now() {
    const auto seen = pressure();
    return seen ? *seen > 60 : has_high_load();
  }
  static bool was_crowded() { return pressure().value_or(0) > 20 || has_high_load(); }

  // Each alone, when the machine has become quieter, or has not for half a minute in all.
  void repeat_inconclusive() {
    is_confirming_ = true;
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      for (int more = 2; more > 0 && report_.checks[i].verdict == Verdict::inconclusive; --more) {
        while (is_crowded_now() && waited_for_peace_ < 600) {
          watch();
          ++waited_for_peace_;
        }
        start(i);
        while (!running_.empty()) watch();
      }
    }
    is_confirming_ = false;
  }

  // A failure may be the machine's, if there are few; many are not. Each is looked at once more,
  // alone, and on a crowded machine with a longer timeout. Where the machine shows no sign of that,
  // it must pass twice: what goes wrong by chance in every second run shall not get away with luck.
  void confirm_failures() {
    std::vector<std::size_t> failed;
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      if (report_.checks[i].verdict == Verdict::failed) failed.push_back(i);
    const bool was_busy = was_late_ || was_crowded();
    if (failed.empty() || failed.size() > (was_busy ? 8 : 2)) return;
    is_confirming_ = true;
    if (was_busy) tested_.timeout = default_timeout;
    for (const std::size_t i : failed) {
      const CheckReport at_first = report_.checks[i];
      for (int more = was_busy ? 1 : 2; more > 0; --more) {
        start(i);
        while (!running_.empty()) watch();
        if (report_.checks[i].verdict != Verdict::passed) break;
      }
      CheckReport& repeated = report_.checks[i];
      if (repeated.verdict == Verdict::skipped ||
          (repeated.verdict == Verdict::inconclusive && !was_busy))
        repeated = at_first;  // nothing was seen that speaks against it
      if (repeated.verdict != Verdict::passed) continue;
      repeated.is_repeated = true;
      repeated.saw =
          std::string(was_busy ? "This machine was busy. Repeated alone, the check passed"
                               : "Repeated alone, the check passed twice") +
          "; at first I saw: " + at_first.saw;
    }
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      if (report_.checks[i].verdict == Verdict::blocked) is_done_[i] = has_begun_[i] = false;
    run_all();
    is_confirming_ = false;
  }

  // -- the program built again --

  static constexpr const char* repeating =
      "I built your program again with the sanitizer, and repeated what had passed.";

  void run_rebuilt() {
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      if (tasks_[i].check.run.line == 0 && report_.checks[i].verdict != Verdict::blocked) {
        judge_rebuilt(tasks_[i], report_.checks[i]);
        finish(i);
      }
  }

  // Every check that has passed is asked once more. Only what the sanitizer says counts: such a
  // program is slow, and what it does in time has been judged already. So more of them may run at a
  // time: they wait more than they work.
  void judge_rebuilt(const Task& task, CheckReport& check) {
    const auto begin = Clock::now();
    const auto program = options_.rebuilt.find(task.check.name.id);
    check.verdict = Verdict::skipped;
    check.saw = "there is no program built for this: the compiler may not have the sanitizer";
    if (program == options_.rebuilt.end() && ours_runs(task.check.name.id))
      fail(check, "I compiled your program again, with the sanitizer.",
           {"it compiles, as our own programs do.",
            "it does not, although it does without the sanitizer."});
    if (program != options_.rebuilt.end() && options_.build)
      options_.build(program->second, report_);
    if (program == options_.rebuilt.end() || access(program->second.c_str(), X_OK) != 0) return;
    std::vector<Task> again;
    for (std::size_t i = 0; i < tasks_.size(); ++i)
      if (tasks_[i].check.run.line != 0 && report_.checks[i].verdict == Verdict::passed)
        again.push_back({tasks_[i].check, 0, "", task.again});
    Tested rebuilt = tested_;
    rebuilt.path = program->second;
    GradingOptions options = options_;
    options.parallel *= 2;
    options.parallel_with_room = std::max(options.parallel, options.parallel_with_room);
    Grading grading(report_.exercise, rebuilt, again, options, {});
    grading.run_all();
    read_complaints(grading.report_, sanitizers_in(rebuilt.path), check);
    const std::vector<CheckReport>& all = grading.report_.checks;
    if (check.verdict == Verdict::skipped && !all.empty() && ours_runs(task.check.name.id)) {
      fail(check, repeating,
           {"it works, as our own programs do that are built in this way.",
            "none of the checks passes any more. The first:\n" + all.front().saw});
    }
    check.seconds = seconds_since(begin);
  }

  // Does a program of ours run that was built for the same check?
  bool ours_runs(const std::string& check) const {
    for (const Rebuild& rebuild : rebuilds) {
      if (check != rebuild.check) continue;
      const std::string program = tested_.build + "/" + rebuild.name + "/slow_backend";
      if (access(program.c_str(), X_OK) != 0) return false;
      try {
        const ChildProcess running(program, {});
        return true;
      } catch (const std::exception&) {
        return false;
      }
    }
    return false;
  }

  static void read_complaints(const Report& seen, const Sanitizers& sanitizers,
                              CheckReport& check) {
    std::string complained;
    std::string first;
    for (const CheckReport& one : seen.checks) {
      const std::size_t place = find_complaint(one.saw, sanitizers);
      if (one.verdict != Verdict::failed || place == std::string::npos) continue;
      complained += (complained.empty() ? "" : " ") + one.id;
      if (first.empty()) first = one.saw.substr(place);
    }
    const bool works =
        std::any_of(seen.checks.begin(), seen.checks.end(),
                    [](const CheckReport& one) { return one.verdict == Verdict::passed; });
    check.verdict = works ? Verdict::passed : Verdict::skipped;
    check.saw = works ? "" : "a program that is built with this sanitizer does not run here";
    if (complained.empty()) return;
    fail(check, repeating,
         {"no report: the checks pass, and nothing is wrong behind them.",
          "a report with " + complained + ". The first:\n" + first});
  }

  Tested tested_;
  const std::vector<Task>& tasks_;
  const GradingOptions& options_;
  const Progress progress_;
  const Clock::time_point begin_ = Clock::now();
  Report report_;
  std::vector<bool> has_begun_;
  std::vector<bool> is_done_;
  std::size_t ended_ = 0;
  std::vector<Running> running_;
  bool was_late_ = false;
  double failed_seconds_ = 0;
  bool is_confirming_ = false;
  int waited_for_peace_ = 0;  // times 50 ms
};

const Check& find_check(const std::vector<Check>& all, const std::string& id) {
  for (const Check& check : all)
    if (check.name.id == id) return check;
  throw std::invalid_argument("there is no check called " + id);
}

}  // namespace

std::vector<Check> all_grade_checks() {
  std::vector<Check> all = all_checks();
  for (const auto* some :
       {&bug_checks, &chat_checks, &contract_checks, &crew_checks, &deadline_checks, &edge_checks,
        &offload_checks, &await_timer_checks, &c10k_checks, &killing_checks, &build_checks})
    all.insert(all.end(), some->begin(), some->end());
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
  if (tasks.empty()) {
    std::string ids;
    for (const Point& point : exercise.points) ids += std::string(" ") + point.id;
    throw std::invalid_argument(std::string(exercise.name) + " has no check called " + only +
                                "; it has" + ids);
  }
  return tasks;
}

std::vector<Task> tasks_of_model(Models model, const std::string& name) {
  std::vector<Task> tasks;
  for (const Check& check : all_checks())
    if ((check.models & model) != 0)
      tasks.push_back(
          {check, 0, "",
           "build/tests/behaviour --server=" + name + " -tc='*" + check.name.id + "*'"});
  return tasks;
}

Report grade(const std::string& exercise, const Tested& tested, const std::vector<Task>& tasks,
             const GradingOptions& options, const Progress& progress) {
  return Grading(exercise, tested, tasks, options, progress).run();
}
