#include "nonblocking/worker.hpp"

#include <fcntl.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "common/error.hpp"

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace two_ways {

namespace {

constexpr int inherited = 3;
constexpr auto longest_pause = std::chrono::seconds(10);
constexpr auto proper_life = std::chrono::seconds(5);

// Asks for no memory: want of it may be the failure.
void complain_of(const char* problem) {
  std::array<char, 512> line;
  std::snprintf(line.data(), line.size(), "prefork: %s\n", problem);
  complain(line.data());
}

bool redirect(const Launch& launch, int output) {
  if (dup2(output, STDOUT_FILENO) < 0) return false;
  // dup2 of a descriptor onto itself would leave it close-on-exec.
  return launch.listener == inherited ? fcntl(inherited, F_SETFD, 0) == 0
                                      : dup2(launch.listener, inherited) == inherited;
}

// In the new process. An exception would lead back into the program that was forked.
[[noreturn]] void become_program(const Launch& launch, int output,
                                 [[maybe_unused]] pid_t supervisor) noexcept {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGTERM);       // elsewhere the workers outlive prefork if it is killed
  if (getppid() != supervisor) _exit(1);  // it is dead already, and will not be heard of
#endif
  // Ctrl-C in a terminal goes to a whole process group. The workers are to hear of it from prefork
  // only: the second SIGINT means something else to them than the first.
  setpgid(0, 0);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGPIPE, SIGXFSZ})
    std::signal(signal, SIG_DFL);
  std::signal(SIGUSR1, SIG_IGN);  // the default would end it before it has a handler of its own
  sigprocmask(SIG_SETMASK, &launch.signals, nullptr);
  // LISTEN_PID, if it is set, named prefork.
  if (redirect(launch, output) && setenv("LISTEN_FDS", "1", 1) == 0 && unsetenv("LISTEN_PID") == 0)
    execvp(launch.command[0], launch.command);
  const int error = errno;  // of the call that failed; making words may change it
  complain_of(describe_failure(std::string("execvp ") + launch.command[0], error).c_str());
  _exit(1);
}

}  // namespace

// The `try` covers the whole function.
void Worker::start(const Launch& launch) try {
  started_ = Clock::now();
  int ends[2];
  open_pipe(ends);
  output_ = Descriptor(ends[0]);
  const Descriptor its_output(ends[1]);
  set_nonblocking(output_.fd());
  if (output_.fd() >= int{FD_SETSIZE}) throw CallFailed("pselect", EINVAL, output_.fd());
  const pid_t supervisor = getpid();
  process_ = fork();
  if (process_ == 0) become_program(launch, its_output.fd(), supervisor);
  if (process_ < 0) throw CallFailed("fork", errno);
} catch (const std::exception& failure) {
  complain_of(failure.what());
  put_off(started_);
}

void Worker::read_output() {
  std::array<char, 4096> room;
  const ssize_t size = output_ ? read(output_.fd(), room.data(), room.size()) : -1;
  if (size == 0) output_ = Descriptor();  // or its end would be told for ever
  if (size <= 0) return;
  const std::string_view printed(room.data(), static_cast<std::size_t>(size));
  if (printed.find('\n') != printed.npos) is_ready_ = true;
}

void Worker::tell(int signal) const {
  if (is_running()) kill(process_, signal);
}

std::optional<int> Worker::take_end() {
  int status = 0;
  if (!is_running() || waitpid(process_, &status, WNOHANG) != process_) return std::nullopt;
  process_ = -1;
  is_ready_ = false;
  put_off(Clock::now());
  return status;
}

void Worker::put_off(Time now) {
  output_ = Descriptor();
  const bool early = now - started_ < proper_life;
  pause_ = early ? std::min<Clock::duration>(2 * pause_, longest_pause)
                 : Clock::duration(shortest_pause);
  next_start_ = now + pause_;
}

bool is_proper_end(int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status) == 0;
  return WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT;
}

End describe_end(int status) {
  if (WIFSIGNALED(status)) return {"was ended by signal", WTERMSIG(status)};
  return {"ended with status", WEXITSTATUS(status)};
}

}  // namespace two_ways
