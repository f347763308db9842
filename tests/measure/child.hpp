// child.hpp — the servers under measurement, as child processes that never outlive us.
//
// Gives: a started program, the port from its ready line, its last words, its end with the
//        resources it has used (wait4(2)).
// Do:    keep it in a scope: the destructor ends the process, whatever happened. On Linux the
// kernel
//        ends it too if we are killed.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/socket.hpp"

// The program did not start, or not in time. The message is for the table's footnotes.
struct StartFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ChildProcess {
 public:
  using Arguments = std::vector<std::string>;

  // Starts a program. `handed_down` becomes its descriptor 3 if there is one (-1: none).
  // Throws StartFailed.
  explicit ChildProcess(const Arguments& arguments, int handed_down = -1,
                        const Arguments& environment = {});
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;

  pid_t pid() const { return pid_; }

  // The port in "listening on http://ADDRESS:PORT/". Waits for that line. Throws StartFailed.
  std::uint16_t wait_until_ready(std::chrono::milliseconds patience);

  // Has it ended by itself? Says how: "was killed by signal 11".
  std::optional<std::string> has_ended();

  // SIGTERM, and SIGKILL for one that does not end in time. True: ended by itself, with status 0.
  bool stop(std::chrono::milliseconds patience = std::chrono::seconds(10));

  // After the end: what it used in all.
  const rusage& used() const { return used_; }
  // The last line that it wrote on stderr; empty if there is none.
  std::string last_words() const;
  // All that it wrote there, up to a few thousand bytes.
  std::string errors() const;

 private:
  bool wait_for_end(std::chrono::milliseconds patience);

  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
  rusage used_{};
  Descriptor output_;
  Descriptor errors_;  // a file without a name
};
