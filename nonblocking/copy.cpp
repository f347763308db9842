#include "nonblocking/copy.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include "common/error.hpp"

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace {

constexpr int inherited = 3;
constexpr auto longest_pause = std::chrono::seconds(10);
constexpr auto proper_life = std::chrono::seconds(5);

// Want of memory may be the failure. It must not become another one.
void complain(std::string_view call, int error) {
  try {
    std::fprintf(stderr, "prefork: %s\n", describe_failure(call, error).c_str());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "prefork: %.*s: error %d\n", static_cast<int>(call.size()), call.data(),
                 error);
  }
}

bool redirect(const Launch& launch) {
  if (dup2(launch.output, STDOUT_FILENO) < 0) return false;
  // dup2 of a descriptor onto itself would leave it close-on-exec.
  return launch.listener == inherited ? fcntl(inherited, F_SETFD, 0) == 0
                                      : dup2(launch.listener, inherited) == inherited;
}

// In the new process. An exception would lead back into the program that was forked.
[[noreturn]] void become_program(const Launch& launch, [[maybe_unused]] pid_t supervisor) noexcept {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGTERM);       // elsewhere the copies outlive prefork if it is killed
  if (getppid() != supervisor) _exit(1);  // it is dead already, and will not be heard of
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
  const int error = errno;  // of the call that failed; making words may change it
  complain(std::string("execvp ") + launch.command[0], error);
  _exit(1);
}

}  // namespace

void Copy::start(const Launch& launch) {
  started_ = Clock::now();
  const pid_t supervisor = getpid();
  process_ = fork();
  if (process_ == 0) become_program(launch, supervisor);
  if (process_ > 0) return;
  complain("fork", errno);
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

End describe_end(int status) {
  if (WIFSIGNALED(status)) return {"was ended by signal", WTERMSIG(status)};
  return {"ended with status", WEXITSTATUS(status)};
}
