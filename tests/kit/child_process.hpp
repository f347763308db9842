// child_process.hpp — a program, as a child of this process.
//
// Gives: a program that has been started, with its ready line waited for or not, and that cannot
//        outlive its owner; what it printed; how it ended.
// Do:    for a server under test prefer the handed-down listener. It needs no free port number,
//        clients may queue before the server runs, and it decides the buffer sizes of all accepted
//        sockets.
// Do not: send it signals that it has not promised to handle.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/socket.hpp"
#include "tests/kit/forked.hpp"

using namespace two_ways;

// How long a peer may go without any progress before it counts as stuck. It bounds failures only:
// no passing check waits for it. Servers built with sanitizers get twice as much.
using Timeout = std::chrono::duration<double>;
inline constexpr Timeout default_timeout{8.0};

struct Launch {
  std::vector<std::string> arguments = {};
  std::vector<std::string> environment = {};  // NAME=VALUE, on top of this process's own
  bool hand_down_listener = true;             // false: the program makes its own, with -p 0
  bool small_buffers = false;                 // accepted sockets hold a few thousand bytes at most
  int backlog = 4096;
  std::size_t descriptor_limit = 0;     // RLIMIT_NOFILE, soft and hard; 0: this process's own
  std::size_t address_space_limit = 0;  // RLIMIT_AS in bytes; 0: none
  std::size_t stack_limit = 0;          // RLIMIT_STACK in bytes; 0: this process's own
  std::size_t file_size_limit = std::size_t{16} << 20;  // RLIMIT_FSIZE: no endless complaints
  int listener = -1;             // becomes its descriptor 3 instead of a new listener
  int output = -1;               // becomes its stdout, instead of a file
  int error_output = -1;         // and its stderr
  std::vector<int> closed = {};  // of 0, 1 and 2: it starts without them
  bool signals_blocked = false;  // all of them, when it starts
  bool first_process = false;    // process 1 of a PID namespace (CallFailed: not here)
  int occupied_below = 0;        // descriptors 20 to this one are taken before it starts
  bool expect_ready = true;      // wait for the ready line, and fail without it
};

// The program did not start, or not in time. what() says why, in words.
struct StartFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ChildProcess {
 public:
  using Arguments = std::vector<std::string>;

  // Throws StartFailed; CallFailed when it is this process that lacks something.
  ChildProcess(const std::string& program, const Launch& launch);
  // The program that words[0] names, on the PATH if it has no '/', and no waiting for its ready
  // line. `listener` becomes its descriptor 3 (-1: it has none).
  explicit ChildProcess(const Arguments& words, int listener = -1,
                        const Arguments& environment = {});

  pid_t pid() const { return process_.pid(); }
  std::uint16_t port() const { return port_; }

  // The port that the ready line names. Throws StartFailed.
  std::uint16_t wait_until_ready(Timeout timeout);

  // SIGSTOP and SIGCONT. When stop_running returns, every thread has stopped; everything that
  // happens until run_on is then pending at once, in one wake-up.
  void stop_running();
  void run_on();

  void signal(int number);
  bool was_asked_to_stop() const { return stops_asked_ > 0; }
  int stops_asked() const { return stops_asked_; }
  // SIGTERM, and SIGKILL for one that does not end in time. True: ended by itself, with status 0.
  bool stop(Timeout timeout = std::chrono::seconds(10));

  // The status of waitpid(2) if it has ended, now or within the timeout.
  std::optional<int> status_if_ended() { return process_.status_if_ended(); }
  std::optional<int> wait_for_end(Timeout timeout);
  // The same in words.
  std::optional<std::string> has_ended();

  // All it has printed so far, the first 64 KiB of each.
  std::string output() const;
  std::string error_output() const;
  // The last line that it wrote on stderr; empty if there is none.
  std::string last_words() const;

 private:
  void run(const std::string& program, const Launch& launch);

  std::uint16_t port_ = 0;
  int stops_asked_ = 0;
  Descriptor output_ = unnamed_file();
  Descriptor error_output_ = unnamed_file();
  Forked process_;
};

// "exited with status 1", "was killed by signal 11 (Segmentation fault)".
std::string describe_status(int status);

// Where a program without a '/' is found on the PATH; empty if it is not.
std::string find_on_path(const std::string& program);

// Was the program built with Address-, Undefined- or ThreadSanitizer? They bring threads, memory
// and descriptors of their own.
struct Sanitizers {
  bool address = false;
  bool thread = false;
  bool undefined = false;
  bool any() const { return address || thread || undefined; }
};
Sanitizers sanitizers_in(const std::string& program);
