#include "tests/grade/child.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include "common/error.hpp"
#include "tests/grade/containment.hpp"
#include "tests/grade/interruption.hpp"

namespace {

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) return;
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

// Between fork and whatever the child is for.
void begin_child(pid_t parent) {
  forget_interruptions();
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  // It may have died in between; 0 is a parent that our namespace does not show.
  if (getppid() != parent && getppid() != 0) _exit(1);
  setpgid(0, 0);
}

// What is thrown must not get further: up there, this process would go on as another grader.
[[noreturn]] void do_work(const std::function<std::string()>& work, int pipe) {
  try {
    adopt_orphans();
    const std::string result = work();
    kill_descendants({});
    write_all(pipe, result);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "grade: %s\n", problem.what());
    _exit(1);
  }
  _exit(0);
}

pid_t forked() {
  std::fflush(nullptr);  // or what is still unwritten is written twice
  const pid_t process = fork();
  if (process < 0) throw CallFailed("fork", errno);
  return process;
}

int wait_for(pid_t process) {
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

[[noreturn]] void become(const std::vector<std::string>& words, const std::string& output_path) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int output = open(output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const int nothing = open("/dev/null", O_RDONLY);
  if (output < 0 || nothing < 0) _exit(126);
  dup2(nothing, 0);
  dup2(output, 1);
  dup2(output, 2);
  constexpr rlim_t most_output = rlim_t{64} << 20;  // the compiler's objects included
  constexpr rlim_t most_memory = rlim_t{4} << 30;
  const rlimit output_limit{most_output, most_output};
  const rlimit memory_limit{most_memory, most_memory};
  (void)setrlimit(RLIMIT_FSIZE, &output_limit);
  (void)setrlimit(RLIMIT_AS, &memory_limit);
  umask(022);  // what is built may be run by another user
  execvp(argv[0], argv.data());
  _exit(127);
}

}  // namespace

Child::Child(const std::function<std::string()>& work) {
  int ends[2];
  open_pipe(ends);
  pipe_ = Descriptor(ends[0]);
  const Descriptor writing(ends[1]);
  const pid_t parent = getpid();
  process_ = forked();
  if (process_ == 0) {
    begin_child(parent);
    do_work(work, writing.fd());
  }
  setpgid(process_, process_);  // in both, because nobody knows who runs first
}

bool Child::take() {
  std::array<char, 16 * 1024> room;
  const ssize_t count = read(pipe_.fd(), room.data(), room.size());
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) return false;
  received_.append(room.data(), static_cast<std::size_t>(count));
  return true;
}

int Child::wait() {
  return wait_for(process_);
}

void Child::kill() {
  ::kill(-process_, SIGKILL);
}

std::string in_own_processes(const std::function<std::string()>& work) {
  enter_own_processes();
  Child first([&] {
    show_own_processes();
    return work();
  });
  while (first.take()) {
  }
  (void)first.wait();
  return first.received();
}

int run_bounded(const std::vector<std::string>& words, const std::string& output_path,
                double most_seconds, const std::vector<std::string>& hidden) {
  const pid_t parent = getpid();
  const pid_t process = forked();
  if (process == 0) {
    begin_child(parent);
    if (!hidden.empty()) {
      (void)hide_folders(hidden);
      // A compiler of somebody else's file can include /proc/self/environ, and say what it reads.
      forget_environment_but({"PATH", "TMPDIR", "CXX", "CXXFLAGS", "LDFLAGS", "LDLIBS", "QUEUE",
                              "SDKROOT", "CCACHE_DIR", "CCACHE_NOHASHDIR"});
      setenv("LC_ALL", "C", 1);
    }
    become(words, output_path);
  }
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(most_seconds);
  int status = 0;
  pid_t ended;
  while ((ended = waitpid(process, &status, WNOHANG)) == 0) {
    throw_if_interrupted();
    if (std::chrono::steady_clock::now() > deadline) {
      kill(-process, SIGKILL);
      (void)wait_for(process);
      kill_descendants({});
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return ended == process && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
