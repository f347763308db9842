#include "tests/grade/class_run.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "common/error.hpp"
#include "tests/grade/child.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/grade/submission.hpp"
#include "tests/kit/interruption.hpp"
#include "tests/kit/observe.hpp"
#include "tests/measure/text_table.hpp"

namespace {

namespace files = std::filesystem;
using Clock = std::chrono::steady_clock;

// What nobody who hands something in should see while it is compiled and run: the teacher's
// sources, which are the folders in tests/grade, and what has been built from them, which lies in
// folders of the same names wherever in `build`.
std::vector<std::string> teachers_folders(const std::string& build) {
  std::vector<std::string> found;
  std::set<files::path> names;
  for (const auto& entry : files::directory_iterator("tests/grade")) {
    if (!entry.is_directory() || entry.is_symlink()) continue;
    names.insert(entry.path().filename());
    found.push_back(files::absolute(entry.path()));
  }
  std::error_code problem;
  for (files::recursive_directory_iterator entry(build, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (entry->is_symlink() || !entry->is_directory() || !names.contains(entry->path().filename()))
      continue;
    found.push_back(files::absolute(entry->path()));
    entry.disable_recursion_pending();
  }
  return found;
}

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
  std::size_t slot;
  Clock::time_point begin;
};

// The compiler's, too: it leaves them behind when it is killed.
void keep_temporary_files_in(const Room& room) {
  (void)setenv("TMPDIR", room.path().c_str(), 1);
}

constexpr const char* nothing = "none";  // in the place of an exercise

// Filled with spaces; who counts bytes would think too much of a name.
std::string in_column(const std::string& name, std::size_t width) {
  std::string text = in_one_line(name, 60);
  const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  const auto seen = static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins));
  return text.append(width - std::min(width, seen), ' ');
}

// -- what a class has lost --

struct Row {
  std::string id;
  std::string title;
  int asked = 0;
  int failed = 0;
  int not_reached = 0;
};

// In the order of the checks; a report may have some of them only.
std::vector<Row> rows_of(const std::vector<Report>& reports) {
  std::vector<Row> rows;
  for (const Report& report : reports)
    for (const CheckReport& check : report.checks) {
      auto row = std::find_if(rows.begin(), rows.end(),
                              [&check](const Row& one) { return one.id == check.id; });
      if (row == rows.end()) row = rows.insert(rows.end(), {check.id, check.title});
      ++row->asked;
      row->failed += check.verdict == Verdict::failed ? 1 : 0;
      row->not_reached += check.verdict == Verdict::blocked ? 1 : 0;
    }
  return rows;
}

std::string bar(int value, int of) {
  return std::string(static_cast<std::size_t>(value * 20 / std::max(of, 1)), '#');
}

// How many have how many points, and how many failed which check or did not get to it: two bars of
// signs, ready to print. All reports are of the same exercise, and there is one at least.
std::string histogram_of(const std::vector<Report>& reports) {
  std::array<int, 11> scores{};  // below 10, below 20, ..., all
  for (const Report& report : reports) {
    const int most = report.problem.empty() ? std::max(report.most(), 1) : 100;
    ++scores[static_cast<std::size_t>(report.score() * 10 / most)];
  }
  const std::string& exercise = reports.front().exercise;
  std::string text = exercise + ": how many have how many points\n";
  char line[80];
  for (int i = 0; i <= 10; ++i) {
    const std::string label =
        i == 10 ? "100" : std::to_string(i * 10) + "-" + std::to_string(i * 10 + 9);
    const int count = scores[static_cast<std::size_t>(i)];
    std::snprintf(line, sizeof line, "  %-7s %4d  ", label.c_str(), count);
    text += line + bar(count, *std::max_element(scores.begin(), scores.end())) + "\n";
  }
  const std::vector<Row> rows = rows_of(reports);
  if (!rows.empty())
    text += exercise + ": how many failed which check (#), or did not get to it (.)\n";
  for (const Row& row : rows) {
    std::string lost = bar(row.failed, row.asked);
    lost.resize(bar(row.failed + row.not_reached, row.asked).size(), '.');
    std::snprintf(line, sizeof line, "  %-4s %4d and %4d of %4d  %-20s  ", row.id.c_str(),
                  row.failed, row.not_reached, row.asked, lost.c_str());
    text += line + row.title + "\n";
  }
  return text + "\n";
}

// -- the run --

class ClassRun {
 public:
  explicit ClassRun(const ClassOptions& options)
      : options_(options),
        room_(files::absolute(options.build)),  // where programs can be started, as ours are
        results_(files::absolute(options.results)) {
    containment_.is_wanted = true;
    containment_.hidden = {results_, files::absolute(options.submissions), files::absolute(".git")};
    containment_.unchanged = {files::current_path(), files::absolute(options.build), room_.path()};
    refuse_to_hide(containment_.hidden, containment_.unchanged);
    for (const std::string& folder : teachers_folders(options.build))
      containment_.hidden.push_back(folder);
    for (int slot = 0; slot < options.parallel; ++slot) {
      slots_.push_back(room_.path() + "/" + std::to_string(slot));
      empty_slot(slots_.back());
      free_slots_.push_back(slots_.size() - 1);
    }
  }

  int run() {
    adopt_orphans();
    keep_temporary_files_in(room_);
    files::create_directories(results_);
    say_what_holds();
    expect_loopback();
    find_jobs();
    prepare_builds();
    while (!waiting_.empty() || !running_.empty()) {
      while (!waiting_.empty() && !free_slots_.empty()) start_next();
      watch();
    }
    write_all_again();
    if (faults_ > 0)
      std::printf(
          "%zu could not be graded, and have no points: look for 'error' and 'killed' in\n"
          "summary.csv. An error is the grader's own; a submission may kill what grades it.\n",
          faults_);
    std::printf("%zu submissions, %zu results: see %s/summary.csv and histogram.txt\n", students_,
                reports_.size(), options_.results.c_str());
    return faults_ > 0 ? 2 : 0;
  }

 private:
  void say_what_holds() {
    const bool has_own_network = enter_empty_network();  // first: it may bring what the rest needs
    try_out(containment_, slots_[0]);
    has_own_processes_ = can_own_processes();
    std::printf(
        "Each submission runs %s;\n"
        "%s.\n"
        "It is watched for time%s.\n"
        "That holds accidents, not attacks: for unknown code use a virtual machine.\n",
        what_holds(containment_, has_own_network,
                   "the results, the solutions and the other submissions")
            .c_str(),
        has_own_processes_ ? "it sees and reaches no processes but its own"
                           : "it can KILL all processes of its user, because this system does not "
                             "allow preventing it",
        tells_of_descendants()
            ? ", memory and number of processes"
            : "; this system does not tell of its memory and its processes, and\n"
              "what leaves its process group may stay behind");
  }

  // What they share is built before any of them, so that no two build it at once. The steps are on
  // the screen: they may take minutes.
  void prepare_builds() const {
    std::set<std::string> wanted;
    std::map<std::string, bool> rebuilt;
    for (const Job& job : waiting_) {
      if (job.exercise == nullptr) continue;
      wanted.insert(job.exercise->name);
      for (const Rebuild& rebuild : rebuilds_of(*job.exercise)) rebuilt[rebuild.name] = true;
    }
    if (wanted.empty()) return;
    std::string names = "EX=";
    for (const std::string& name : wanted) names += name + " ";
    std::printf("building what these submissions share\n");
    if (make(options_.build, {"given", "beside", names}, "") != 0)
      throw std::runtime_error("make given beside failed");
    for (const auto& [name, is_wanted] : rebuilt) {
      std::printf("building the same with %s\n", name.c_str());
      if (make(options_.build, {"given-" + name, names}, "") != 0)
        std::printf("there is no build with %s: its checks are skipped\n", name.c_str());
    }
    if (can_redraw(STDOUT_FILENO)) std::printf("\r\033[K");
  }

  void find_jobs() {
    std::vector<files::path> submissions;
    std::string others;
    for (const auto& entry : files::directory_iterator(options_.submissions))
      if (entry.is_directory() && !entry.is_symlink() && !is_of_a_system(entry.path().filename()))
        submissions.push_back(entry.path());
      else
        others += " " + in_one_line(entry.path().filename(), 60);
    if (!others.empty())
      std::printf("no folder of a student, and not looked at:%s\n", others.c_str());
    std::sort(submissions.begin(), submissions.end());
    students_ = submissions.size();
    for (const files::path& submission : submissions) {
      const std::string student = submission.filename().string();
      const HandedIn handed_in(submission);
      if (handed_in.jobs().empty()) note(student, with_problem(nothing, handed_in.what_is_there()));
      for (const auto& [exercise, file, problem] : handed_in.jobs())
        if (problem.empty())
          waiting_.push_back({student, exercise, file});
        else
          note(student, with_problem(exercise->name, problem));
    }
    // Whatever ends this run, there is a result for each of them.
    for (const Job& job : waiting_)
      save_all(job.student, unfinished(job, "This has not been graded yet."));
  }

  static Report unfinished(const Job& job, const std::string& problem) {
    Report report = with_problem(job.name(), problem);
    report.is_finished = false;
    return report;
  }

  // -- one file --

  void start_next() {
    const Job job = waiting_.front();
    waiting_.pop_front();
    const std::size_t slot = free_slots_.back();
    free_slots_.pop_back();
    empty_slot(slots_[slot]);
    save_result(job.student, unfinished(job, "The grader was stopped before it had this."));
    const auto work = [&] { return packed(grade_job(job, slot)); };
    running_.push_back({Child([&] { return has_own_processes_ ? in_own_processes(work) : work(); }),
                        job, slot, Clock::now()});
  }

  // Not removed: that would undo the hiding of it. Where nobody can keep a submission from it, it
  // may have locked these folders, or removed them.
  void empty_slot(const std::string& slot) const {
    constexpr auto to_pass_through = static_cast<files::perms>(0711);
    std::error_code ignored;
    files::permissions(room_.path(), to_pass_through, ignored);
    files::create_directories(slot, ignored);
    files::permissions(slot, to_pass_through, ignored);
    for (files::directory_iterator entry(slot, ignored), end; !ignored && entry != end;
         entry.increment(ignored))
      remove_folder(entry->path());
  }

  // For what is in one slot: the others are hidden, too.
  Containment containment_of(std::size_t slot) const {
    Containment containment = containment_;
    for (std::size_t other = 0; other < slots_.size(); ++other)
      if (other != slot) containment.hidden.push_back(slots_[other]);
    return containment;
  }

  // In a process of its own.
  Report grade_job(const Job& job, std::size_t slot) const {
    try {
      const Room room(slots_[slot]);
      const Bench bench{files::absolute(options_.build), room.path(), containment_of(slot)};
      keep_temporary_files_in(room);
      if (job.exercise == nullptr) return grade_answers(job.file, bench);
      return grade_submission(*job.exercise, job.file, bench,
                              [&](const Report& so_far) { save_result(job.student, so_far); });
    } catch (const std::exception& problem) {
      return with_problem(job.name(), std::string("The grader could not go on: ") + problem.what(),
                          "error");
    }
  }

  void watch() {
    constexpr double most_seconds = 1200;
    std::vector<pollfd> watched;
    for (const Running& one : running_) watched.push_back({one.child.fd(), POLLIN, 0});
    if (poll(watched.data(), static_cast<nfds_t>(watched.size()), 1000) < 0 && errno != EINTR)
      throw CallFailed("poll", errno);
    throw_if_interrupted();
    for (std::size_t i = running_.size(); i-- > 0;) {
      Running& one = running_[i];
      if (Clock::now() - one.begin > std::chrono::duration<double>(most_seconds)) one.child.kill();
      if (watched[i].revents != 0 && !one.child.take()) collect(i);
    }
  }

  void collect(std::size_t place) {
    const auto [one, status] = take_ended(running_, place);
    free_slots_.push_back(one.slot);
    std::optional<Report> report = unpacked(one.child.received());
    if (!report)
      report = with_problem(
          one.job.name(),
          "The process that graded this " + describe_status(status) + " before it had ended.",
          "killed");
    note(one.job.student, *report);
  }

  // -- what has come of it --

  // Its own name, also where a file's may not be as long as a folder's.
  std::string path_for(const std::string& student, const Report& report) const {
    constexpr std::size_t most = 180;
    std::string name = student;
    if (name.size() > most)
      name = name.substr(0, most) + "~" + std::to_string(std::hash<std::string>{}(student));
    return results_ + "/" + name + "." + report.exercise;
  }

  void save_result(const std::string& student, const Report& report) const {
    save(path_for(student, report) + ".json", as_json(report));
  }

  void save_all(const std::string& student, const Report& report) const {
    save_result(student, report);
    save(path_for(student, report) + ".junit.xml", as_junit(report));
    save(path_for(student, report) + ".txt", as_text(report));
  }

  void note(const std::string& student, const Report& report) {
    if (report.has_error()) ++faults_;
    save_all(student, report);
    reports_.insert_or_assign({student, report.exercise}, report);
    write_overview();
    const std::string problem = report.problem.substr(0, report.problem.find_first_of(":\n."));
    std::printf("%s %s%s%s\n", in_column(student, 24).c_str(), bar_for(report).c_str(),
                problem.empty() ? "" : "  ", problem.c_str());
    std::fflush(stdout);
  }

  // From our own memory, now that nothing of theirs runs any more: whatever has been done to the
  // files meanwhile is undone.
  void write_all_again() const {
    for (const auto& [key, report] : reports_) save_all(key.first, report);
    write_overview();
  }

  void write_overview() const {
    std::string text = "student,exercise,score,of,outcome,problem,lost,inconclusive,first_loss\n";
    for (const auto& [key, report] : reports_) {
      std::string lost;
      std::string inconclusive;
      std::string first_loss;
      for (const CheckReport& check : report.checks) {
        if (check.verdict == Verdict::inconclusive)
          inconclusive += (inconclusive.empty() ? "" : " ") + check.id;
        if (check.is_lost()) lost += (lost.empty() ? "" : " ") + check.id;
        if (check.is_lost() && first_loss.empty()) first_loss = check.id + ": " + check.saw;
      }
      text += in_csv(in_one_line(key.first, 300)) + "," + key.second + "," +
              std::to_string(report.score()) + "," +
              std::to_string(report.problem.empty() ? report.most() : 100) + "," +
              outcome_of(report) + "," + in_csv(report.problem) + "," + lost + "," + inconclusive +
              "," + in_csv(first_loss) + "\n";
    }
    save(results_ + "/summary.csv", text);
    std::map<std::string, std::vector<Report>> by_exercise;
    for (const auto& [key, report] : reports_)
      if (key.second != nothing) by_exercise[key.second].push_back(report);
    std::string histograms;
    for (const auto& [name, reports] : by_exercise) histograms += histogram_of(reports);
    save(results_ + "/histogram.txt", histograms);
  }

  static std::string outcome_of(const Report& report) {
    if (!report.fault.empty()) return report.fault;
    if (report.has_error()) return "error";
    return report.problem.empty() ? "graded" : "problem";
  }

  // A spreadsheet takes what begins with = + - @ for a formula.
  static std::string in_csv(const std::string& text) {
    if (text.empty()) return text;
    std::string result = "\"";
    if (std::strchr("=+-@", text.front()) != nullptr) result += '\'';
    for (const char c : escaped(text, 300))
      result += c == '"' ? std::string("\"\"") : std::string(1, c == '\n' ? ' ' : c);
    return result + '"';
  }

  const ClassOptions& options_;
  const Room room_;  // programs, and the folders that they run in
  const std::string results_;
  Containment containment_;
  bool has_own_processes_ = false;
  std::vector<std::string> slots_;  // folders: one for each of those graded at once
  std::vector<std::size_t> free_slots_;
  std::size_t students_ = 0;
  std::deque<Job> waiting_;
  std::vector<Running> running_;
  std::map<std::pair<std::string, std::string>, Report> reports_;  // by student and exercise
  std::size_t faults_ = 0;
};

}  // namespace

int grade_class(const ClassOptions& options) {
  return ClassRun(options).run();
}
