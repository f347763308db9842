// forked.hpp — children that are forks of this process, and what all children have in common.
//
// Gives: a function run in a process of its own, which never outlives us. Signals, limits and
//        exit() that would end or spoil our own process happen in the child only.
// Do not: use doctest's assertions in the child; write to stdout or exit with a status instead.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "common/socket.hpp"

using namespace two_ways;

class Forked {
 public:
  // The child leads a process group, and exits with what `work` returns, or with 99 if that throws.
  // Throws CallFailed. `do_fork` is fork(2), or a function that does the same in another way.
  explicit Forked(const std::function<int()>& work, pid_t (*do_fork)() = ::fork);
  Forked() = default;
  ~Forked();  // kills it, and what is left of its group
  Forked(Forked&& other) noexcept { *this = std::move(other); }
  Forked& operator=(Forked&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(status_, other.status_);
    return *this;
  }

  pid_t pid() const { return pid_; }
  void kill() const;  // with its group
  int wait();         // its status, as waitpid(2) gives it; "exited with 255" if that is unknown
  std::optional<int> status_if_ended();

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

struct ChildEnd {
  int exit_status = -1;  // -1: it did not exit
  int signal = 0;        // that ended it; 0: none
  std::string out;       // what it wrote to stdout, 64 KiB at most
  std::string err;       // and to stderr
};

// Runs `work` in a child and waits for its end. A child still running after ten seconds is ended
// by SIGALRM. Exit status 0 if `work` returns, 99 if it throws.
ChildEnd run_in_child(const std::function<void()>& work);

// In a child: ends it with status 1 and a line on stderr unless `holds`.
void demand(bool holds, const char* what);

// Both ends are closed by exec.
struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};
Pipe new_pipe();  // throws CallFailed

// A file that is gone when nobody has it open any more, and what it begins with: 64 KiB at most.
// Unlike a pipe, it can never be full and stop who writes into it.
Descriptor unnamed_file();
std::string first_bytes(int file);
