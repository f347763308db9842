#include "tests/measure/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "common/error.hpp"

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace {

using Moment = std::chrono::steady_clock::time_point;

Moment now() {
  return std::chrono::steady_clock::now();
}

void set_close_on_exec(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) throw CallFailed("fcntl(F_SETFD)", errno, fd);
}

struct Pipe {
  Pipe() {
    int ends[2];
    open_pipe(ends);
    read_end = Descriptor(ends[0]);
    write_end = Descriptor(ends[1]);
  }
  Descriptor read_end;
  Descriptor write_end;
};

Descriptor file_without_name() {
  const char* directory = std::getenv("TMPDIR");
  std::string name = std::string(directory != nullptr ? directory : "/tmp") + "/measure.XXXXXX";
  Descriptor file(mkstemp(name.data()));
  if (!file) throw CallFailed("mkstemp " + name, errno);
  unlink(name.c_str());
  set_close_on_exec(file.fd());
  return file;
}

// Between fork and exec. Only what signal-safety(7) lists.
[[noreturn]] void become(char* const* arguments, int output, int errors, int handed_down) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  std::signal(SIGPIPE, SIG_DFL);
  if (dup2(output, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0) _exit(127);
  if (handed_down == 3) (void)fcntl(3, F_SETFD, 0);
  if (handed_down >= 0 && handed_down != 3 && dup2(handed_down, 3) < 0) _exit(127);
  execvp(arguments[0], arguments);
  _exit(127);
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return "was killed by signal " + std::to_string(WTERMSIG(status));
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

ChildProcess::ChildProcess(const Arguments& arguments, int handed_down,
                           const Arguments& environment)
    : errors_(file_without_name()) {
  Pipe output;
  // env(1) sets the environment, so that nothing has to be allocated after fork.
  Arguments words;
  if (!environment.empty()) words.push_back("env");
  words.insert(words.end(), environment.begin(), environment.end());
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  pid_ = fork();
  if (pid_ < 0) throw StartFailed(describe_failure("fork", errno));
  if (pid_ == 0) become(pointers.data(), output.write_end.fd(), errors_.fd(), handed_down);
  output_ = std::move(output.read_end);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      ended_(other.ended_),
      status_(other.status_),
      used_(other.used_),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)) {}

ChildProcess::~ChildProcess() {
  if (pid_ < 0 || ended_) return;
  kill(pid_, SIGKILL);
  wait_for_end(std::chrono::seconds(5));
}

std::uint16_t ChildProcess::wait_until_ready(std::chrono::milliseconds patience) {
  const Moment end = now() + patience;
  std::string line;
  while (line.find('\n') == std::string::npos) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - now()).count();
    pollfd output{output_.fd(), POLLIN, 0};
    if (left <= 0) throw StartFailed("printed no ready line in time");
    if (poll(&output, 1, static_cast<int>(left)) <= 0) continue;
    std::array<char, 256> room;
    const ssize_t count = read(output_.fd(), room.data(), room.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      wait_for_end(std::chrono::seconds(1));
      throw StartFailed("did not start: " + (ended_ ? how_it_ended(status_) : "no output") +
                        (last_words().empty() ? "" : ": " + last_words()));
    }
    line.append(room.data(), static_cast<std::size_t>(count));
  }
  const std::size_t colon = line.rfind(':');
  std::uint16_t port = 0;
  if (line.starts_with("listening on http://") && colon != std::string::npos)
    std::from_chars(line.data() + colon + 1, line.data() + line.size(), port);
  if (port == 0) throw StartFailed("printed '" + line + "' instead of the ready line");
  return port;
}

std::optional<std::string> ChildProcess::has_ended() {
  if (!ended_) ended_ = wait4(pid_, &status_, WNOHANG, &used_) == pid_;
  if (!ended_) return std::nullopt;
  return how_it_ended(status_);
}

bool ChildProcess::wait_for_end(std::chrono::milliseconds patience) {
  const Moment end = now() + patience;
  while (!has_ended() && now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  return ended_;
}

bool ChildProcess::stop(std::chrono::milliseconds patience) {
  if (has_ended()) return false;
  kill(pid_, SIGTERM);
  if (wait_for_end(patience)) return WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
  kill(pid_, SIGKILL);
  wait_for_end(std::chrono::seconds(5));
  return false;
}

std::string ChildProcess::last_words() const {
  std::array<char, 512> room;
  const off_t size = lseek(errors_.fd(), 0, SEEK_END);
  const off_t start = size > static_cast<off_t>(room.size()) ? size - static_cast<off_t>(512) : 0;
  const ssize_t count = pread(errors_.fd(), room.data(), room.size(), start);
  if (count <= 0) return "";
  std::string text(room.data(), static_cast<std::size_t>(count));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const std::size_t line = text.rfind('\n');
  return line == std::string::npos ? text : text.substr(line + 1);
}

std::string ChildProcess::errors() const {
  std::array<char, 8192> room;
  const ssize_t count = pread(errors_.fd(), room.data(), room.size(), 0);
  return count <= 0 ? "" : std::string(room.data(), static_cast<std::size_t>(count));
}
