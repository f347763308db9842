#include "nonblocking/copy.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "common/error.hpp"

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace {

constexpr int inherited = 3;
constexpr auto longest_pause = std::chrono::seconds(10);
constexpr auto proper_life = std::chrono::seconds(5);

bool redirect(const Launch& launch) {
  if (dup2(launch.output, STDOUT_FILENO) < 0) return false;
  // dup2 of a descriptor onto itself would leave it close-on-exec.
  return launch.listener == inherited ? fcntl(inherited, F_SETFD, 0) == 0
                                      : dup2(launch.listener, inherited) == inherited;
}

// In the new process.
[[noreturn]] void become_program(const Launch& launch) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // elsewhere the copies outlive prefork if it is killed
#endif
  // Ctrl-C in a terminal goes to a whole process group. The copies are to hear of it from prefork
  // only: the second SIGINT means something else to them than the first.
  setpgid(0, 0);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) std::signal(signal, SIG_DFL);
  std::signal(SIGUSR1, SIG_IGN);  // the default would end it before it has a handler of its own
  sigprocmask(SIG_SETMASK, &launch.signals, nullptr);
  // LISTEN_PID, if it is set, named prefork.
  if (redirect(launch) && setenv("LISTEN_FDS", "1", 1) == 0 && unsetenv("LISTEN_PID") == 0)
    execvp(launch.command[0], launch.command);
  const std::string call = std::string("execvp ") + launch.command[0];
  std::fprintf(stderr, "prefork: %s\n", describe_failure(call, errno).c_str());
  _exit(1);
}

}  // namespace

void Copy::start(const Launch& launch) {
  started_ = Clock::now();
  process_ = fork();
  if (process_ == 0) become_program(launch);
  if (process_ > 0) return;
  std::fprintf(stderr, "prefork: %s\n", describe_failure("fork", errno).c_str());
  put_off(started_);
}

void Copy::tell(int signal) const {
  if (is_running()) kill(process_, signal);
}

std::optional<int> Copy::take_end() {
  int status = 0;
  if (!is_running() || waitpid(process_, &status, WNOHANG) != process_) return std::nullopt;
  process_ = -1;
  put_off(Clock::now());
  return status;
}

void Copy::put_off(Time now) {
  const bool early = now - started_ < proper_life;
  pause_ = early ? std::min<Clock::duration>(2 * pause_, longest_pause)
                 : Clock::duration(shortest_pause);
  next_start_ = now + pause_;
}

bool is_proper_end(int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status) == 0;
  return WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT;
}

std::string describe_end(int status) {
  return WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                             : "ended with status " + std::to_string(WEXITSTATUS(status));
}
