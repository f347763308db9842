// server_process.hpp — the program under test, as a child of the tester.
//
// Gives: a server that has been started, has said that it is ready, and cannot outlive its owner;
//        what it printed; how it ended.
// Do:    prefer the handed-down listener (the default). It needs no free port number, clients may
//        queue before the server runs, and it decides the buffer sizes of all accepted sockets.
// Do not: send it signals that it has not promised to handle.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/socket.hpp"

// How long a peer may go without any progress before it counts as stuck. It bounds failures only:
// no passing check waits for it. Servers built with sanitizers get twice as much.
using Patience = std::chrono::duration<double>;
inline constexpr Patience default_patience{8.0};

struct Launch {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // NAME=VALUE, on top of the tester's own
  bool hand_down_listener = true;        // false: the program makes its own, with -p 0
  bool small_buffers = false;            // accepted sockets hold a few thousand bytes at most
  int backlog = 4096;
  std::size_t descriptor_limit = 0;     // RLIMIT_NOFILE, soft and hard; 0: the tester's own
  std::size_t address_space_limit = 0;  // RLIMIT_AS in bytes; 0: none
  std::size_t stack_limit = 0;          // RLIMIT_STACK in bytes; 0: the tester's own
  std::size_t file_size_limit = std::size_t{16} << 20;  // RLIMIT_FSIZE: no endless complaints
  int listener = -1;             // the check's own is handed down instead of a new one
  int output = -1;               // becomes its stdout, instead of a file
  int error_output = -1;         // and its stderr
  std::vector<int> closed;       // of 0, 1 and 2: it starts without them
  bool signals_blocked = false;  // all of them, when it starts
  bool first_process = false;    // process 1 of a PID namespace (CallFailed: not here)
  int occupied_below = 0;        // descriptors 20 to this one are taken before it starts
  bool expect_ready = true;      // wait for the ready line, and fail without it
};

// The server did not start. what() says why, in words.
struct StartFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ServerProcess {
 public:
  // Throws StartFailed; CallFailed when it is the tester that lacks something.
  ServerProcess(const std::string& program, const Launch& launch);
  ~ServerProcess();  // kills it, and whatever it has started
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  pid_t pid() const { return pid_; }
  std::uint16_t port() const { return port_; }

  // SIGSTOP and SIGCONT. When stop_running returns, every thread has stopped; everything that
  // happens until run_on is then pending at once, in one wake-up.
  void stop_running();
  void run_on();

  void signal(int number);
  bool was_asked_to_stop() const { return stops_asked_ > 0; }
  int stops_asked() const { return stops_asked_; }

  // The status of waitpid(2) if it has ended, now or within the patience.
  std::optional<int> status_if_ended();
  std::optional<int> wait_for_end(Patience patience);

  // All it has printed so far, the first 64 KiB of each.
  std::string output() const;
  std::string error_output() const;

 private:
  void await_ready_line(Patience patience);

  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
  std::optional<int> status_;
  int stops_asked_ = 0;
  Descriptor output_;
  Descriptor error_output_;
};

// "exited with status 1", "was killed by signal 11 (Segmentation fault)".
std::string describe_status(int status);

// Was the program built with Address-, Undefined- or ThreadSanitizer? They bring threads, memory
// and descriptors of their own.
struct Sanitizers {
  bool address = false;
  bool thread = false;
  bool undefined = false;
  bool any() const { return address || thread || undefined; }
};
Sanitizers sanitizers_in(const std::string& program);
