#include "tests/unit/child.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "common/socket.hpp"

namespace {

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

Pipe make_pipe() {
  int ends[2];
  open_pipe(ends);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

[[noreturn]] void be_the_child(const std::function<void()>& work, int out, int err) {
  if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0) _exit(98);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGPIPE, SIGABRT, SIGSEGV})
    std::signal(signal, SIG_DFL);
  alarm(10);
  int status = 0;
  try {
    work();
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "threw: %s\n", problem.what());
    status = 99;
  }
  std::fflush(nullptr);
  _exit(status);
}

// Reads both until both have ended.
void collect(ChildEnd& end, const Pipe& out, const Pipe& err) {
  std::array<pollfd, 2> watched{{{out.read_end.fd(), POLLIN, 0}, {err.read_end.fd(), POLLIN, 0}}};
  while (watched[0].fd >= 0 || watched[1].fd >= 0) {
    if (poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    for (std::size_t i = 0; i < watched.size(); ++i) {
      if (watched[i].fd < 0 || watched[i].revents == 0) continue;
      char room[4096];
      const ssize_t count = read(watched[i].fd, room, sizeof room);
      if (count > 0)
        (i == 0 ? end.out : end.err).append(room, static_cast<std::size_t>(count));
      else
        watched[i].fd = -1;
    }
  }
}

}  // namespace

ChildEnd run_in_child(const std::function<void()>& work) {
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) be_the_child(work, out.write_end.fd(), err.write_end.fd());
  { const Descriptor ours_no_more[] = {std::move(out.write_end), std::move(err.write_end)}; }

  ChildEnd end;
  collect(end, out, err);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) end.exit_status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  return end;
}

void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::fflush(nullptr);
  _exit(1);
}
