#include "tests/grade/child.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>
#include <thread>

#include "tests/kit/containment.hpp"
#include "tests/kit/interruption.hpp"

namespace {

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) return;
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

// Returns if it fails. The output is ours to open: nobody's file is followed.
int become(const std::vector<std::string>& words, const std::string& output_path,
           const std::function<void()>& confine) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int output =
      output_path.empty() ? dup(1) : open(output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const int nothing = open("/dev/null", O_RDONLY);
  if (output < 0 || nothing < 0) return 126;
  if (confine) confine();
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
  return 127;
}

}  // namespace

Child::Child(const std::function<std::string()>& work, Pipe pipe)
    : pipe_(std::move(pipe.read_end)), forked_([&] {
        try {
          forget_interruptions();
          adopt_orphans();
          const std::string result = work();
          kill_descendants({});
          write_all(pipe.write_end.fd(), result);
          return 0;
        } catch (const std::exception& problem) {
          std::fprintf(stderr, "grade: %s\n", problem.what());
          return 1;
        }
      }) {}

bool Child::take() {
  std::array<char, 16 * 1024> room;
  const ssize_t count = read(pipe_.fd(), room.data(), room.size());
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) return false;
  received_.append(room.data(), static_cast<std::size_t>(count));
  return true;
}

const std::string& Child::take_all() {
  while (take()) {
  }
  return received_;
}

std::string in_own_processes(const std::function<std::string()>& work) {
  enter_own_processes();
  Child first([&] {
    show_own_processes();
    return work();
  });
  return first.take_all();
}

int run_bounded(const std::vector<std::string>& words, const std::string& output_path,
                double most_seconds, const std::function<void()>& confine) {
  Forked process([&] {
    forget_interruptions();
    return become(words, output_path, confine);
  });
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(most_seconds);
  std::optional<int> status;
  while (!(status = process.status_if_ended())) {
    throw_if_interrupted();
    if (std::chrono::steady_clock::now() > deadline) {
      process.kill();
      (void)process.wait();
      kill_descendants({});
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}
