#include "tests/lessons/console.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "common/error.hpp"
#include "common/socket.hpp"
#include "common/wait.hpp"
#include "tests/kit/forked.hpp"
#include "tests/kit/sockets.hpp"

using namespace two_ways;

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto longest_command = seconds(70);

// -- ports --

using Ports = std::map<std::string, std::string>;  // as in the text, as in this run

const std::regex& port_pattern() {
  static const std::regex pattern("\\b(80[89]|909)[0-9]\\b");
  return pattern;
}

std::string replaced(const std::string& text, const Ports& ports) {
  std::string result;
  std::size_t from = 0;
  for (std::sregex_iterator i(text.begin(), text.end(), port_pattern()), end; i != end; ++i) {
    const auto at = static_cast<std::size_t>(i->position());
    result += text.substr(from, at - from) + ports.at(i->str());
    from = at + i->str().size();
  }
  return result + text.substr(from);
}

// A listener on a port that nobody else is likely to be given: below those that the kernel chooses
// from, which the commands' own clients use up by the thousand.
Descriptor hold_free_port() {
  constexpr unsigned first = 10'000;
  constexpr unsigned count = 20'000;
  static std::random_device random;
  for (int tries = 0; tries < 100; ++tries) {
    try {
      return listen_on("127.0.0.1", static_cast<std::uint16_t>(first + random() % count));
    } catch (const CallFailed&) {  // taken: another one
    }
  }
  throw std::runtime_error("no free port found");
}

Ports free_ports(const Document& document, const Lesson& lesson) {
  Ports ports;
  std::vector<Descriptor> held;
  for (std::size_t i = lesson.begin; i < lesson.end; ++i) {
    const std::string& line = document.lines[i];
    for (std::sregex_iterator match(line.begin(), line.end(), port_pattern()), end; match != end;
         ++match) {
      if (ports.contains(match->str())) continue;
      held.push_back(hold_free_port());
      ports[match->str()] = std::to_string(local_port(held.back().fd()));
    }
  }
  return ports;
}

// -- the shell --

// What it and the programs that it starts print goes into a file, which can never be full.
class Shell {
 public:
  explicit Shell(unsigned descriptors)
      : shell_([this, descriptors] { return become_shell(descriptors); }) {
    input_.read_end = Descriptor();
  }

  // Programs in its background have three seconds for their end.
  ~Shell() {
    kill(-shell_.pid(), SIGTERM);
    input_.write_end = Descriptor();
    const auto limit = Clock::now() + seconds(3);
    while (kill(-shell_.pid(), 0) == 0 && Clock::now() < limit) {
      waitpid(shell_.pid(), nullptr, WNOHANG);
      std::this_thread::sleep_for(milliseconds(10));
    }
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  // What the command prints, and whatever older background programs print meanwhile. Returns when
  // the command is over and has printed `expected` lines, or a while later if it does not.
  std::string run(const std::string& command, std::size_t expected) {
    const std::string end = "end-of-command-" + std::to_string(++count_);
    type("{ " + command + "\n} </dev/null\necho '" + end + "'\n");
    std::string text;
    const auto limit = Clock::now() + longest_command;
    bool has_ended = false;
    auto last_lines_by = Clock::time_point::max();
    for (;;) {
      const std::size_t at = has_ended ? text.npos : text.find(end + "\n");
      if (at != text.npos) {
        text.erase(at, end.size() + 1);
        has_ended = true;
        last_lines_by = Clock::now() + seconds(4);  // for a server's first line, or a signal's
      }
      const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
      if (has_ended && (lines >= expected || Clock::now() > last_lines_by)) break;
      if (Clock::now() > limit) return text + "(no end after 70 seconds)\n";
      if (!read_some(text) && shell_.status_if_ended()) return text + "(the shell has ended)\n";
    }
    return text;
  }

 private:
  // Returns if it fails.
  int become_shell(unsigned descriptors) const {
    dup2(input_.read_end.fd(), STDIN_FILENO);
    dup2(output_.fd(), STDOUT_FILENO);
    dup2(output_.fd(), STDERR_FILENO);
    rlimit limit{};
    if (descriptors > 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
      limit.rlim_cur = std::min<rlim_t>(descriptors, limit.rlim_max);
      (void)setrlimit(RLIMIT_NOFILE, &limit);  // no more than the hard limit: it cannot fail
    }
    setenv("no_proxy", "*", 1);
    setenv("NO_PROXY", "*", 1);
    setenv("LC_ALL", "C", 1);
    // Whoever runs this under make does not want its flags, such as -n, in the lessons.
    unsetenv("MAKEFLAGS");
    unsetenv("MAKELEVEL");
    execl("/bin/sh", "sh", static_cast<char*>(nullptr));
    return 127;
  }

  void type(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t count = write(input_.write_end.fd(), text.data(), text.size());
      if (count < 0 && errno != EINTR) throw CallFailed("write", errno, input_.write_end.fd());
      if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  // False if nothing has been printed since; then a moment has passed.
  bool read_some(std::string& text) {
    char room[4096];
    const ssize_t count = pread(output_.fd(), room, sizeof room, read_);
    if (count <= 0) {
      std::this_thread::sleep_for(milliseconds(5));
      return false;
    }
    text.append(room, static_cast<std::size_t>(count));
    read_ += count;
    return true;
  }

  Pipe input_ = new_pipe();
  const Descriptor output_ = unnamed_file();
  Forked shell_;
  off_t read_ = 0;
  int count_ = 0;
};

// -- one block --

struct Turn {
  std::string command;
  Lines expected;
};

std::vector<Turn> turns_of(const Document& document, const Fence& fence) {
  std::vector<Turn> turns;
  for (std::size_t i = fence.begin + 1; i < fence.end; ++i) {
    const std::string& line = document.lines[i];
    if (line.starts_with("$ ")) {
      turns.push_back({line.substr(2), {}});
      while (turns.back().command.ends_with('\\') && i + 1 < fence.end)
        turns.back().command += "\n" + document.lines[++i];
    } else if (!turns.empty()) {
      turns.back().expected.push_back(line);
    }
  }
  return turns;
}

// What may differ is made the same: numbers, units, names of days and months, gaps and rules.
std::string loosened(std::string line) {
  static const std::regex number("[<+-]?[0-9][0-9,]*(\\.[0-9]+)?([eE][0-9]+)?");
  static const std::regex unit("# ?(B|KiB|MiB|GiB|us|ms|s|%)?(?![A-Za-z])");
  static const std::regex date(
      "(Mon|Tue|Wed|Thu|Fri|Sat|Sun), # (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|"
      "Sep|Oct|Nov|Dec)");
  static const std::regex gap("[ \\t]+");
  static const std::regex rule("-{4,}");
  line = std::regex_replace(line, number, "#");
  line = std::regex_replace(line, date, "DATE");
  line = std::regex_replace(line, unit, "# ");
  line = std::regex_replace(line, rule, "----");
  return trimmed(std::regex_replace(line, gap, " "));
}

// Does `actual` from `a` on fit `expected` from `e` on, where "..." is any number of lines?
bool fits_from(const Lines& expected, std::size_t e, const Lines& actual, std::size_t a) {
  for (; e < expected.size(); ++e, ++a) {
    if (trimmed(expected[e]) == "...") {
      for (std::size_t skip = a; skip <= actual.size(); ++skip)
        if (fits_from(expected, e + 1, actual, skip)) return true;
      return false;
    }
    if (a >= actual.size() || loosened(expected[e]) != loosened(actual[a])) return false;
  }
  return a == actual.size();
}

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line); lines.push_back(line)) std::erase(line, '\r');
  return lines;
}

// A program, or a file of the system's.
bool is_here(const std::string& name) {
  const std::string question = "[ -e " + name + " ] || command -v " + name + " >/dev/null 2>&1";
  return std::system(question.c_str()) == 0;
}

bool runs(const std::string& command, const std::string& program) {
  return std::regex_search(command, std::regex("(^|[ |(;\n])" + program + " "));
}

// What one of these blocks needs and is not here. They stand on each other, so all run or none.
std::string missing_for(const Document& document, const std::vector<Fence>& blocks,
                        Report& report) {
  constexpr std::string_view needs = "console: needs ";
  std::set<std::string> needed;
  for (const Fence& block : blocks) {
    if (block.mark.starts_with(needs))
      needed.insert(block.mark.substr(needs.size()));
    else if (block.mark.starts_with("console"))
      report.add(block.begin, "there is no mark '" + block.mark + "'");
    for (const Turn& turn : turns_of(document, block))
      for (const std::string program : {"curl", "strace"})
        if (runs(turn.command, program)) needed.insert(program);
  }
  const auto missing = std::find_if_not(needed.begin(), needed.end(), is_here);
  return missing == needed.end() ? "" : *missing;
}

class Runner {
 public:
  Runner(const Document& document, const Lesson& lesson, unsigned descriptors, Report& report)
      : document_(document),
        report_(report),
        ports_(free_ports(document, lesson)),
        shell_(descriptors) {
    for (const auto& [in_text, in_run] : ports_) back_[in_run] = in_text;
  }

  // What a lesson leaves running would be in the way of the next one's ports.
  void check_that_all_have_ended(const Lesson& lesson) {
    for (const int job : jobs_)
      report_.add(lesson.begin, "at the end of the lesson %" + std::to_string(job) +
                                    " is still running, on a port that the next one may want");
  }

  void run(const Fence& fence) {
    for (const Turn& turn : turns_of(document_, fence)) run(turn, fence);
  }

 private:
  void run(const Turn& turn, const Fence& fence) {
    const bool is_server =
        turn.command.ends_with('&') && turn.command.find('>') == std::string::npos;
    const std::size_t least = std::max<std::size_t>(turn.expected.size(), is_server ? 1 : 0);
    const std::string command = with_jobs(replaced(turn.command, ports_));
    Lines actual = lines_of(shell_.run(command, least));
    for (std::string& line : actual)
      for (const auto& [in_run, in_text] : back_)
        for (std::size_t at = 0; (at = line.find(in_run, at)) != line.npos; at += in_text.size())
          line.replace(at, in_run.size(), in_text);
    if (!fits_from(turn.expected, 0, actual, 0)) complain(turn, fence, actual);
  }

  // A shell without a terminal has no job control, so %2 would be nobody: it becomes the number of
  // the second program that was started with &. Whoever is told to end, as %2 or as $server after
  // "server=$!", has ended when the next command is typed: its port is free again. How it has
  // ended, "Terminated", is what a shell says beside the page.
  std::string with_jobs(const std::string& command) {
    static const std::regex job("%([0-9])\\b");
    static const std::regex naming("\\b([a-z]+)=\\$!");
    static const std::regex ending("\\b(kill|wait)(( \\$[a-z0-9]+)+)");
    const std::string known = std::regex_replace(command, job, "$$job$1");
    if (command.ends_with('&')) {
      const int number = jobs_.empty() ? 1 : *jobs_.rbegin() + 1;
      const std::string name = "job" + std::to_string(number);
      jobs_.insert(number);
      names_[name] = number;
      return known + "\n" + name + "=$!";
    }
    std::smatch part;
    if (std::regex_search(known, part, naming) && !jobs_.empty()) names_[part[1]] = *jobs_.rbegin();
    if (!std::regex_search(known, part, ending)) return known;
    std::istringstream names(part[2]);
    for (std::string name; names >> name;) jobs_.erase(names_[name.substr(1)]);
    return part[1] == "kill" ? known + "; wait" + part[2].str() + " 2>/dev/null" : known;
  }

  void complain(const Turn& turn, const Fence& fence, const Lines& actual) {
    std::string what = "$ " + turn.command + "\n    printed here:";
    for (const std::string& line : turn.expected) what += "\n      | " + line;
    what += "\n    really:";
    for (const std::string& line : actual) what += "\n      | " + line;
    report_.add(fence.begin, what);
  }

  const Document& document_;
  Report& report_;
  Ports ports_;
  Ports back_;
  std::set<int> jobs_;                // programs in the background, numbered as a shell does
  std::map<std::string, int> names_;  // of them, as the shell knows them: "job1", "server"
  Shell shell_;
};

}  // namespace

void run_consoles(const Document& document, int only, unsigned descriptors, Report& report) {
  signal(SIGPIPE, SIG_IGN);
  for (const Lesson& lesson : document.lessons) {
    if (only >= 0 && lesson.number != only) continue;
    std::vector<Fence> blocks;
    for (const Fence& fence : document.fences)
      if (lesson.begin <= fence.begin && fence.begin < lesson.end && fence.language == "console")
        blocks.push_back(fence);
    if (const std::string name = missing_for(document, blocks, report); !name.empty()) {
      const std::string package =
          name.starts_with('/') ? "" : " (Debian: apt-get install " + name + ")";
      std::printf("skipped: the commands of lesson %d: there is no %s here%s\n", lesson.number,
                  name.c_str(), package.c_str());
      continue;
    }
    const auto start = Clock::now();
    Runner runner(document, lesson, descriptors, report);
    for (const Fence& block : blocks) runner.run(block);
    runner.check_that_all_have_ended(lesson);
    std::printf("lesson %d: its commands ran in %.1f s\n", lesson.number,
                std::chrono::duration<double>(Clock::now() - start).count());
    std::fflush(stdout);
  }
}
