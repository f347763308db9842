#include "tests/kit/forked.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "common/error.hpp"

namespace {

constexpr int unknown_status = 255 << 8;  // it is gone, and somebody else has been told how

// In a new child: a process group of its own, and SIGKILL when `parent` ends (Linux).
void begin_child(pid_t parent) {
  setpgid(0, 0);
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  // It may have died in between; 0 is a parent that our namespace does not show.
  if (const pid_t now = getppid(); now != parent && now != 0) _exit(126);
}

}  // namespace

Forked::Forked(const std::function<int()>& work, pid_t (*do_fork)()) {
  std::fflush(nullptr);  // or what is still unwritten is written twice
  const pid_t parent = getpid();
  pid_ = do_fork();
  if (pid_ < 0) throw CallFailed("fork", errno);
  if (pid_ == 0) {
    begin_child(parent);
    // What is thrown must not get further: up there, this process would go on as another of us.
    try {
      _exit(work());
    } catch (...) {
      _exit(99);
    }
  }
  setpgid(pid_, pid_);  // in both, because nobody knows who runs first
}

Forked::~Forked() {
  if (pid_ <= 0) return;
  kill();
  (void)wait();
}

void Forked::kill() const {
  if (pid_ > 0) ::kill(-pid_, SIGKILL);
}

int Forked::wait() {
  int status = unknown_status;
  while (!status_ && waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  return status_ ? *status_ : status_.emplace(status);
}

std::optional<int> Forked::status_if_ended() {
  int status = unknown_status;
  if (!status_ && waitpid(pid_, &status, WNOHANG) != 0) status_ = status;
  return status_;
}

ChildEnd run_in_child(const std::function<void()>& work) {
  const Descriptor out = unnamed_file();
  const Descriptor err = unnamed_file();
  Forked child([&] {
    if (dup2(out.fd(), STDOUT_FILENO) < 0 || dup2(err.fd(), STDERR_FILENO) < 0) return 98;
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGPIPE, SIGABRT, SIGSEGV})
      std::signal(signal, SIG_DFL);
    alarm(10);
    try {
      work();
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "threw: %s\n", problem.what());
      throw;
    }
    std::fflush(nullptr);
    return 0;
  });
  const int status = child.wait();
  return {.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          .out = first_bytes(out.fd()),
          .err = first_bytes(err.fd())};
}

void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::fflush(nullptr);
  _exit(1);
}

Pipe new_pipe() {
  int ends[2];
  open_pipe(ends);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

Descriptor unnamed_file() {
  char name[] = "/tmp/two-ways-to-wait.XXXXXX";
  Descriptor file(mkstemp(name));
  if (!file) throw CallFailed("mkstemp", errno);
  unlink(name);
  if (fcntl(file.fd(), F_SETFD, FD_CLOEXEC) < 0 || fcntl(file.fd(), F_SETFL, O_APPEND) < 0)
    throw CallFailed("fcntl", errno, file.fd());
  return file;
}

std::string first_bytes(int file) {
  std::string text(std::size_t{64} * 1024, '\0');
  const ssize_t count = pread(file, text.data(), text.size(), 0);
  text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return text;
}
