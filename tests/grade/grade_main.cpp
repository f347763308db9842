// grade — grades exercises: your own while you work on them, or those of a class.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "common/program.hpp"
#include "tests/grade/child.hpp"
#include "tests/grade/class_run.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/grade/grading.hpp"
#include "tests/grade/submission.hpp"
#include "tests/kit/command_line.hpp"
#include "tests/kit/interruption.hpp"
#include "tests/measure/text_table.hpp"

namespace {

namespace files = std::filesystem;

constexpr const char* usage =
    "usage: grade [--build DIR] [--only ID] [--steps] [--program FILE] [--jobs N]\n"
    "             [--answers FILE] [--submission DIR]\n"
    "             [--format json|junit|gradescope] [--out FILE]\n"
    "             [EXERCISE...]\n"
    "       grade class DIR --out RESULTS [--build DIR] [-j N]\n"
    "       grade --server NAME --program FILE [--list-lost]\n"
    "Grades exercises. Without names, all of them.\n"
    "  --build DIR    where the programs are (build)\n"
    "  --only ID      one check, and those it builds on\n"
    "  --steps        what each check does, step by step, the last 400 of them\n"
    "  --program FILE this program instead of DIR/exercises/EXERCISE\n"
    "  --format F     also write a result for another program, to --out\n"
    "  --answers FILE the quiz as one more item, from a file for make quiz\n"
    "  --submission DIR compiles and grades the exercise's file wherever in DIR, with\n"
    "                 no privileges, an empty environment, a folder of its own for\n"
    "                 each program, and where the system allows it no network, no\n"
    "                 sight of the folder of --out, and another user than root: it\n"
    "                 says what holds\n"
    "  --rebuilds     prints which builds with sanitizers the exercises want\n"
    "  --baseline EX  prints what the starter of an exercise scores\n"
    "  --list-lost    at the end, the ids of all checks that did not pass, in a line\n"
    "Exit status: 0 if nothing is missing, 1 if points are, 2 if something could not\n"
    "be graded. With --format, 0 whenever a result was written.\n";

struct Request {
  std::string build = "build";
  std::string only;
  std::string program;
  std::string submission;
  std::string format;
  std::string out;
  std::string server;
  std::string class_directory;
  std::string answers;
  std::vector<std::string> names;
  int jobs = 0;
  bool steps = false;
  bool list_lost = false;
  bool list_rebuilds = false;
};

const Exercise& exercise_called(const std::string& name) {
  if (const Exercise* const exercise = find_exercise(name)) return *exercise;
  std::string names;
  for (const Exercise& exercise : exercises()) names += std::string(" ") + exercise.name;
  refuse_usage("there is no exercise called " + name + "; there are" + names);
}

void refuse_formats_unheard_of(const Request& request) {
  constexpr std::string_view known[] = {"", "json", "junit", "gradescope"};
  if (std::find(std::begin(known), std::end(known), request.format) == std::end(known))
    refuse_usage("--format takes json, junit or gradescope, not '" + request.format + "'");
  if (!request.format.empty() && request.out.empty())
    refuse_usage("--format " + request.format + " needs --out FILE, for the result to go to");
}

Request read_request(int argc, char** argv) {
  Request request;
  const auto print_baseline = [](const std::string& name) {
    std::printf("%d\n", exercise_called(name).baseline);
    std::exit(0);
  };
  request.names = read_command_line(
      argc, argv, usage,
      {text("--build", request.build), text("--only", request.only),
       text("--program", request.program), text("--format", request.format),
       text("--out", request.out), text("--answers", request.answers),
       text("--server", request.server), number("--jobs", request.jobs, 1, 64),
       number("-j", request.jobs, 1, 64), flag("--steps", request.steps),
       Option{"--baseline", true, print_baseline}, flag("--rebuilds", request.list_rebuilds),
       text("--submission", request.submission), flag("--list-lost", request.list_lost)});
  for (char& c : request.only) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (!request.names.empty() && request.names[0] == "class") {
    if (request.names.size() == 1) refuse_usage("class needs a folder");
    request.class_directory = request.names[1];
    request.names.erase(request.names.begin(), request.names.begin() + 2);
  }
  refuse_formats_unheard_of(request);
  return request;
}

// The builds that the checks of these exercises want, in one line.
int list_rebuilds(const Request& request) {
  for (const std::string& name : request.names)
    for (const Rebuild& rebuild : rebuilds_of(exercise_called(name)))
      if (request.only.empty() || request.only == rebuild.check) std::printf("%s ", rebuild.name);
  std::printf("\n");
  return 0;
}

int usual_jobs() {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return static_cast<int>(std::clamp(cores, 2L, 4L));
}

// -- the last score --

std::string score_file(const Request& request, const std::string& exercise) {
  return request.build + "/grades/" + exercise + ".last";
}

// What passed last time: "score id id id".
std::vector<std::string> read_last(const std::string& path) {
  std::ifstream file(path);
  return {std::istream_iterator<std::string>(file), std::istream_iterator<std::string>()};
}

void remember(const Request& request, const Report& report) {
  std::string text = std::to_string(report.score());
  for (const CheckReport& check : report.checks)
    if (check.earned() > 0) text += " " + check.id;
  mkdir((request.build + "/grades").c_str(), 0755);  // fails if it is there
  save(score_file(request, report.exercise), text + "\n");
}

void print_change(const std::vector<std::string>& last, const Report& report) {
  if (last.empty()) return;
  std::string better;
  std::string worse;
  for (const CheckReport& check : report.checks) {
    const bool passed = std::find(last.begin() + 1, last.end(), check.id) != last.end();
    if (!passed && check.earned() > 0) better += " " + check.id;
    if (passed && check.is_lost()) worse += " " + check.id;
  }
  std::printf("  Last time: %s points.", last[0].c_str());
  if (!better.empty()) std::printf(" New:%s.", better.c_str());
  if (!worse.empty()) std::printf(" Lost:%s.", worse.c_str());
  std::printf("\n");
}

// -- one exercise --

// A student grades what lies in the exercise's folder, and not somebody else a submission.
bool is_at_work(const Request& request) {
  return request.program.empty() && request.submission.empty();
}

// The program of a student who works on it is built again when all other results are on the screen.
void build_again(const Request& request, const std::string& program) {
  const std::string again =
      request.build + "/exercises/" + files::path(program).filename().string();
  std::printf("  building %s, which takes longer the first time\n", again.c_str());
  std::fflush(stdout);
  const char* const make = std::getenv("MAKE");
  const std::vector<std::string> words = {make == nullptr ? "make" : make, "-s",
                                          "--no-print-directory", "BUILD=" + request.build, again};
  if (run_bounded(words, again + ".log", 240) != 0) unlink(again.c_str());
}

void write_result(const Request& request, const Report& report) {
  if (request.out.empty()) return;
  const std::string text = request.format == "junit"        ? as_junit(report)
                           : request.format == "gradescope" ? as_gradescope(report)
                                                            : as_json(report);
  save(request.out, text);
}

// The results, in the order of the table. Those of a student at work fit a screen: the first loss
// is told, and of the others how to ask.
class Screen {
 public:
  explicit Screen(const Request& request)
      : request_(request),
        is_brief_(is_at_work(request) && request.only.empty() && !request.steps) {}

  // Those from the last one shown to `end`.
  void show(const Report& report, std::size_t end) {
    if (can_redraw(STDOUT_FILENO)) std::printf("\r\033[K");
    for (; shown_ < end; ++shown_) show(report.checks[shown_]);
  }

  void show_how_to_ask(const std::string& exercise) const {
    if (is_brief_ && lost_ > 1)
      std::printf(
          "  The first loss is told. Another one: make grade EX=%s ONLY=%s\n"
          "  All of them, step by step: make grade EX=%s V=1\n",
          exercise.c_str(), last_lost_.c_str(), exercise.c_str());
  }

 private:
  void show(const CheckReport& check) {
    std::fputs(line_for(check).c_str(), stdout);
    if (check.is_lost()) ++lost_;
    if (check.verdict == Verdict::failed) last_lost_ = check.id;
    if (is_brief_ && check.is_lost() && lost_ > 1) return;
    const bool with_steps = request_.only.empty() || check.id == request_.only || check.is_lost();
    std::fputs(details_of(check, request_.steps && with_steps).c_str(), stdout);
  }

  const Request& request_;
  const bool is_brief_;
  std::size_t shown_ = 0;
  int lost_ = 0;
  std::string last_lost_;
};

Report grade_one(const Request& request, const std::string& name, const Tested& tested,
                 const std::vector<Task>& tasks) {
  const std::string compiler =
      beginning_of(request.build + "/grades/" + name + ".compiler.txt", 20'000);
  if (access(tested.path.c_str(), X_OK) != 0) {
    if (access(tested.path.c_str(), F_OK) == 0)
      throw std::runtime_error(tested.path + " cannot be started: is its folder mounted noexec?");
    Report report =
        with_problem(name, compiler.empty() ? "There is no program " + tested.path + "."
                                            : "It does not compile:\n" + escaped(compiler, 12'000));
    std::printf("%s\n%s\n", name.c_str(), report.problem.c_str());
    return report;
  }
  expect_loopback();
  std::printf("%s\n", name.c_str());
  GradingOptions options;
  const Exercise* const exercise = find_exercise(name);
  options.parallel = request.jobs > 0 ? request.jobs : usual_jobs();
  options.parallel_with_room = options.parallel;
  if (request.jobs == 0 && exercise != nullptr)
    options.parallel_with_room *= exercise->for_each_core;
  for (const Rebuild& rebuild : rebuilds)  // as these checks want the program, it lies beside it
    options.rebuilt[rebuild.check] = tested.path + "." + rebuild.name;
  const Room room(temporary_folder());
  options.room = room.path();
  const std::string warnings = request.program.empty() ? escaped(compiler, 6000) : "";
  if (!warnings.empty()) std::printf("The compiler warns:\n%s", warnings.c_str());
  Screen screen(request);
  if (is_at_work(request))
    options.build = [&](const std::string& program, const Report& so_far) {
      const auto is_no_rebuilt = [](const Task& task) { return task.check.run.line != 0; };
      // Those that are asked of a program built again are the last ones.
      screen.show(so_far, static_cast<std::size_t>(
                              std::count_if(tasks.begin(), tasks.end(), is_no_rebuilt)));
      build_again(request, program);
    };
  Report report = grade(name, tested, tasks, options, [&](const Report& so_far, std::size_t ended) {
    if (can_redraw(STDOUT_FILENO)) {
      std::printf("\r  %zu of %zu checks ", ended, so_far.checks.size());
      std::fflush(stdout);
    }
    write_result(request, so_far);
  });
  report.compiler = warnings;
  screen.show(report, report.checks.size());
  screen.show_how_to_ask(name);
  return report;
}

// Somebody else's, for the exercise that is to be graded.
Report grade_handed_in(const Request& request, const Exercise& exercise) {
  const Room room(files::absolute(request.build));
  Bench bench{files::absolute(request.build), room.path(), {}};
  bench.containment.is_wanted = true;
  bench.containment.unchanged = {files::current_path(), bench.build};
  if (!request.out.empty()) bench.containment.hidden = {files::absolute(request.out).parent_path()};
  refuse_to_hide(bench.containment.hidden, bench.containment.unchanged);
  const bool has_own_network = enter_empty_network();  // first: it may bring what the rest needs
  try_out(bench.containment, room.path());
  std::printf("Contained: %s.\n%s\n",
              what_holds(bench.containment, has_own_network, "the results").c_str(), exercise.name);
  expect_loopback();
  const HandedIn handed_in(request.submission);
  const HandedIn::Job job = handed_in.job_for(&exercise);
  Report report = job.file.empty()
                      ? with_problem(exercise.name,
                                     job.problem.empty() ? handed_in.what_is_there() : job.problem)
                      : grade_submission(exercise, job.file, bench, [&](const Report& so_far) {
                          write_result(request, so_far);
                        });
  if (!report.problem.empty()) std::printf("%s\n", report.problem.c_str());
  Screen(request).show(report, report.checks.size());
  return report;
}

int status_of(const std::vector<Report>& reports) {
  int status = 0;
  for (const Report& report : reports) {
    if (!report.problem.empty() || report.has_error()) return 2;
    if (report.score() < report.most()) status = 1;
    for (const CheckReport& check : report.checks)
      if (check.verdict == Verdict::failed) status = 1;
  }
  return status;
}

void list_lost(const Report& report) {
  if (!report.problem.empty()) return;  // nothing was asked, so nothing is known to pass
  std::string text = "lost";
  for (const CheckReport& check : report.checks)
    if (check.is_lost() || check.verdict == Verdict::error) text += " " + check.id;
  std::printf("%s\n", text.c_str());
}

Report grade_answers(const Request& request) {
  std::printf("quiz\n");
  const Room room(temporary_folder());
  Report report = request.answers.empty()
                      ? with_problem("quiz",
                                     "Name a file of answers: make grade ANSWERS=file"
                                     " (build/quiz -b prints an empty one).")
                      : grade_quiz(request.build, request.answers, room.path() + "/quiz.txt");
  if (!report.problem.empty()) std::printf("%s\n", report.problem.c_str());
  for (const CheckReport& check : report.checks)
    if (check.verdict != Verdict::passed)
      std::printf("%s       | %s: %s; read %s, or %s\n", line_for(check).c_str(), "I saw",
                  check.saw.c_str(), check.lesson.c_str(), check.again.c_str());
  return report;
}

int grade_server(const Request& request) {
  const auto all = programs();
  const auto server = std::find_if(all.begin(), all.end(),
                                   [&](const Program& one) { return request.server == one.name; });
  if (server == all.end()) refuse_usage("there is no server called " + request.server);
  const std::string path =
      request.program.empty() ? request.build + "/" + request.server : request.program;
  std::vector<Task> tasks = tasks_of_model(server->model, request.server);
  if (!request.only.empty())
    std::erase_if(tasks, [&](const Task& task) {
      return (" " + request.only + " ").find(std::string(" ") + task.check.name.id + " ") ==
             std::string::npos;
    });
  if (tasks.empty()) refuse_usage(request.server + " has no check called " + request.only);
  const Tested tested{.name = request.server, .path = path, .model = server->model};
  const Report report = grade_one(request, request.server, tested, tasks);
  if (request.list_lost) list_lost(report);
  return status_of({report});
}

Report grade_item(const Request& request, const std::string& name) {
  if (name == "quiz") return grade_answers(request);
  const Exercise& exercise = exercise_called(name);
  if (!request.submission.empty()) return grade_handed_in(request, exercise);
  const std::string path =
      request.program.empty() ? request.build + "/exercises/" + name : request.program;
  const Tested tested{.name = name,
                      .path = files::absolute(path).string(),
                      .model = exercise.model,
                      .build = files::absolute(request.build).string(),
                      .most_steps = request.steps ? 400u : 25u,
                      .tells_all = request.steps,
                      .forgives_end = true};
  return grade_one(request, name, tested, tasks_of(exercise, request.only));
}

int grade_exercises(const Request& request) {
  std::vector<std::string> names = request.names;
  if (names.empty())
    for (const Exercise& exercise : exercises()) names.emplace_back(exercise.name);
  if (!request.answers.empty() && names.back() != "quiz") names.emplace_back("quiz");
  if (!request.out.empty() && names.size() > 1)
    refuse_usage("--out takes the result of one exercise");
  std::vector<Report> reports;
  for (const std::string& name : names) {
    const auto last = read_last(score_file(request, name));
    const Report report = grade_item(request, name);
    write_result(request, report);
    if (request.only.empty() && is_at_work(request) && report.problem.empty() &&
        !report.has_error()) {
      print_change(last, report);
      remember(request, report);
    }
    if (request.list_lost) list_lost(report);
    reports.push_back(report);
    std::printf("\n");
  }
  for (const Report& report : reports)
    std::printf("%s\n%s", bar_for(report).c_str(), words_for_rest(report).c_str());
  const int status = status_of(reports);
  return request.format.empty() ? status : 0;
}

}  // namespace

int main(int argc, char** argv) try {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // inherited as ignored, it would take every status away
  note_interruptions();
  raise_descriptor_limit();
  const Request request = read_request(argc, argv);
  if (!request.class_directory.empty()) {
    if (request.out.empty()) refuse_usage("class needs --out RESULTS");
    return grade_class(
        {request.class_directory, request.out, request.build, request.jobs > 0 ? request.jobs : 1});
  }
  if (request.list_rebuilds) return list_rebuilds(request);
  return request.server.empty() ? grade_exercises(request) : grade_server(request);
} catch (const AskedToStop& interruption) {
  end_by(interruption);
} catch (const std::exception& problem) {
  std::fprintf(stderr, "grade: %s\n", problem.what());
  return 2;
}
