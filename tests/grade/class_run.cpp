#include "tests/grade/class_run.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "common/error.hpp"
#include "common/socket.hpp"
#include "tests/grade/descendants.hpp"
#include "tests/grade/grading.hpp"

namespace {

namespace files = std::filesystem;

// A network of our own with nothing but loopback, where the system lets us.
bool enter_empty_network() {
#ifdef __linux__
  if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) return false;
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (!socket || ioctl(socket.fd(), SIOCGIFFLAGS, &request) < 0) return false;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return ioctl(socket.fd(), SIOCSIFFLAGS, &request) == 0;
#else
  return false;
#endif
}

// Runs a program with bounded time and output. Its status, or -1 if it had to be ended.
int run_bounded(const std::vector<std::string>& words, const std::string& output_path,
                double most_seconds) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t process = fork();
  if (process < 0) throw CallFailed("fork", errno);
  if (process == 0) {
    setpgid(0, 0);
    if (getppid() != parent) _exit(126);
    const int output = open(output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int nothing = open("/dev/null", O_RDONLY);
    if (output < 0 || nothing < 0) _exit(126);
    dup2(nothing, 0);
    dup2(output, 1);
    dup2(output, 2);
    const rlimit most_output{std::size_t{64} << 20, std::size_t{64} << 20};
    (void)setrlimit(RLIMIT_FSIZE, &most_output);  // the compiler's objects included
    execvp(argv[0], argv.data());
    _exit(127);
  }
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(most_seconds);
  int status = 0;
  while (waitpid(process, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      kill(-process, SIGKILL);
      waitpid(process, nullptr, 0);
      kill_descendants({});
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string beginning_of(const std::string& path, std::size_t most) {
  std::ifstream file(path, std::ios::binary);
  std::string text(most, '\0');
  file.read(text.data(), static_cast<std::streamsize>(most));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

// The student's file of an exercise, wherever in the submission. Links are not followed.
std::string find_file(const files::path& submission, const Exercise& exercise) {
  constexpr int most_looked_at = 2000;
  int looked_at = 0;
  std::string found;
  std::error_code problem;
  for (files::recursive_directory_iterator entry(submission, problem), end; entry != end;
       entry.increment(problem)) {
    if (problem || ++looked_at > most_looked_at) break;
    if (entry->is_symlink(problem) || !entry->is_regular_file(problem)) continue;
    if (entry->path().filename() != exercise.student_file) continue;
    const std::string path = entry->path().string();
    const bool is_in_place = path.find(exercise.folder) != std::string::npos;
    if (found.empty() || is_in_place) found = path;
  }
  return found;
}

class ClassRun {
 public:
  explicit ClassRun(const ClassOptions& options) : options_(options) {}

  int run() {
    adopt_orphans();
    files::create_directories(options_.results + "/work");
    const bool is_alone = enter_empty_network();
    std::printf(
        "The submissions run as this user, each in processes that are watched for time, "
        "memory and number%s\n",
        is_alone ? ", in a network of their own."
                 : "; not network-isolated, because this system does not allow it.");
    std::printf("That holds accidents, not attacks: for unknown code use a virtual machine.\n");
    std::vector<files::path> submissions;
    for (const auto& entry : files::directory_iterator(options_.submissions))
      if (entry.is_directory() && !entry.is_symlink()) submissions.push_back(entry.path());
    std::sort(submissions.begin(), submissions.end());
    for (const files::path& submission : submissions) grade_submission(submission);
    save(options_.results + "/summary.csv", summary_);
    save(options_.results + "/histogram.txt", histogram());
    save(options_.results + "/histogram.svg", drawing());
    std::printf("%zu submissions: see %s/summary.csv and histogram.txt\n", submissions.size(),
                options_.results.c_str());
    return 0;
  }

 private:
  void grade_submission(const files::path& submission) {
    const std::string student = submission.filename().string();
    bool is_empty = true;
    for (const Exercise& exercise : exercises()) {
      const std::string file = find_file(submission, exercise);
      if (file.empty()) continue;
      is_empty = false;
      Report report;
      try {
        report = grade_file(student, exercise, file);
      } catch (const std::exception& problem) {
        report.exercise = exercise.name;
        report.problem = std::string("The grader could not go on: ") + problem.what();
      }
      kill_descendants({});
      note(student, report);
    }
    if (is_empty) {
      Report report;
      report.exercise = "none";
      report.problem = "There is no file of any exercise in this submission.";
      note(student, report);
    }
  }

  Report grade_file(const std::string& student, const Exercise& exercise, const std::string& file) {
    Report report;
    report.exercise = exercise.name;
    const std::string work = options_.results + "/work/" + student + "." + exercise.name;
    const std::string copy = work + ".cpp";
    if (files::file_size(file) > 1'000'000) {
      report.problem = "The file is larger than a megabyte.";
      return report;
    }
    files::copy_file(file, copy, files::copy_options::overwrite_existing);
    files::remove(work);
    const int status =
        run_bounded({"make", "-s", "--no-print-directory", "submission", "BUILD=" + options_.build,
                     std::string("EX=") + exercise.name, "FROM=" + copy, "INTO=" + work},
                    work + ".compiler.txt", 120);
    if (status != 0) {
      report.problem =
          status < 0 ? "The compiler did not end within two minutes.\n" : "It does not compile:\n";
      report.problem += escaped(beginning_of(work + ".compiler.txt", 6000), 6000);
      return report;
    }
    GradingOptions options;
    options.in_empty_environment = true;
    options.parallel = std::max(2, options_.parallel);
    const std::string result = result_path(student, report);
    const Tested tested{.name = exercise.name, .path = work, .model = exercise.model};
    return grade(
        exercise.name, tested, tasks_of(exercise, ""), options,
        [&result](const Report& so_far, const CheckReport&) { save(result, as_json(so_far)); });
  }

  std::string result_path(const std::string& student, const Report& report) const {
    return options_.results + "/" + student + "." + report.exercise + ".json";
  }

  void note(const std::string& student, Report report) {
    report.is_finished = true;
    // Written again from our own memory: whatever was done to the files meanwhile is undone.
    save(result_path(student, report), as_json(report));
    save(options_.results + "/" + student + "." + report.exercise + ".junit.xml", as_junit(report));
    if (summary_.empty()) summary_ = "student,exercise,score,of,problem,lost\n";
    std::string lost;
    for (const CheckReport& check : report.checks) {
      ++asked_[report.exercise][check.id];
      if (check.verdict != Verdict::failed && check.verdict != Verdict::blocked) continue;
      lost += (lost.empty() ? "" : " ") + check.id;
      ++lost_[report.exercise][check.id];
    }
    const std::string problem = report.problem.substr(0, report.problem.find_first_of(":\n."));
    summary_ += in_csv(student) + "," + report.exercise + "," + std::to_string(report.score()) +
                "," + std::to_string(report.problem.empty() ? report.most() : 100) + "," +
                in_csv(problem) + "," + lost + "\n";
    save(options_.results + "/summary.csv", summary_);
    std::printf("%-24s %s%s%s\n", escaped(student, 60).c_str(), bar_for(report).c_str(),
                problem.empty() ? "" : "  ", problem.c_str());
    std::fflush(stdout);
  }

  // A spreadsheet takes what begins with = + - @ for a formula.
  static std::string in_csv(const std::string& text) {
    if (text.empty()) return text;
    std::string result = "\"";
    if (std::strchr("=+-@", text.front()) != nullptr) result += '\'';
    for (const char c : escaped(text, 200))
      result += c == '"' ? std::string("\"\"") : std::string(1, c);
    return result + '"';
  }

  // Which check did the class fail?
  std::string histogram() const {
    std::string text;
    for (const auto& [exercise, checks] : asked_) {
      text += exercise + ": how many failed which check\n";
      for (const auto& [id, count] : checks) {
        const int lost = lost_of(exercise, id);
        char line[64];
        std::snprintf(line, sizeof line, "  %-4s %4d of %4d  ", id.c_str(), lost, count);
        text += line + std::string(static_cast<std::size_t>(lost * 40 / std::max(count, 1)), '#') +
                "\n";
      }
    }
    return text;
  }

  std::string drawing() const {
    std::string bars;
    int y = 24;
    for (const auto& [exercise, checks] : asked_) {
      bars +=
          "<text x='8' y='" + std::to_string(y) + "' font-weight='bold'>" + exercise + "</text>\n";
      y += 20;
      for (const auto& [id, count] : checks) {
        const int lost = lost_of(exercise, id);
        bars += "<text x='16' y='" + std::to_string(y) + "'>" + id + "</text><rect x='64' y='" +
                std::to_string(y - 11) + "' width='" +
                std::to_string(lost * 400 / std::max(count, 1)) +
                "' height='12' fill='#a04030'/><text x='472' y='" + std::to_string(y) + "'>" +
                std::to_string(lost) + " of " + std::to_string(count) + "</text>\n";
        y += 16;
      }
      y += 12;
    }
    return "<svg xmlns='http://www.w3.org/2000/svg' width='560' height='" + std::to_string(y) +
           "' font-family='sans-serif' font-size='12'>\n" + bars + "</svg>\n";
  }

  int lost_of(const std::string& exercise, const std::string& id) const {
    const auto checks = lost_.find(exercise);
    if (checks == lost_.end()) return 0;
    const auto found = checks->second.find(id);
    return found == checks->second.end() ? 0 : found->second;
  }

  const ClassOptions& options_;
  std::string summary_;
  std::map<std::string, std::map<std::string, int>> asked_;
  std::map<std::string, std::map<std::string, int>> lost_;
};

}  // namespace

int grade_class(const ClassOptions& options) {
  return ClassRun(options).run();
}
