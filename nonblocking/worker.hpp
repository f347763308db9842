// worker.hpp — one of prefork's places: a process that runs the server, and a new one when it ends.
//
// Gives: a process whose descriptor 3 is the listener and whose output is a pipe of its own; is it
//        ready, what became of it, and when to start the next one. The pause before that doubles
//        while processes end early, up to ten seconds, and is short after one that has lived for
//        five.
// Do:    block the signals that the program handles before start(): the new process has those
//        handlers until it has become another program.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <optional>

#include "common/socket.hpp"
#include "common/wait.hpp"

namespace two_ways {

// What all workers are started with.
struct Launch {
  char** command;    // the program, its arguments, a null pointer
  int listener;      // becomes descriptor 3, where a server looks for it (sd_listen_fds(3))
  sigset_t signals;  // the mask that it is to have
};

class Worker {
 public:
  // Without room for another process or its pipe it says so on stderr, and is due again later.
  void start(const Launch& launch);
  bool is_running() const { return process_ > 0; }
  // Where it prints to. -1: it does not run, or has closed its output.
  int output() const { return output_.fd(); }
  // Takes what it has printed, without waiting. The first line says that it is ready.
  void read_output();
  // It has printed a line, and runs.
  bool is_ready() const { return is_ready_; }
  // Sends a signal, if there is anybody to hear it.
  void tell(int signal) const;
  // The status that waitpid(2) gives, once, when the process has ended.
  std::optional<int> take_end();
  // When to start another one, if none runs.
  Time next_start() const { return next_start_; }
  bool is_due() const { return !is_running() && next_start_ <= Clock::now(); }
  Clock::duration pause() const { return pause_; }

 private:
  static constexpr auto shortest_pause = std::chrono::milliseconds(100);

  void put_off(Time now);

  pid_t process_ = -1;
  Descriptor output_;
  bool is_ready_ = false;
  Time started_;
  Time next_start_;
  Clock::duration pause_ = shortest_pause / 2;  // doubled before it is used
};

// Ended with 0, or by the signal to stop: one that was told before it had a handler has not failed.
bool is_proper_end(int status);

// "was ended by signal" 9, "ended with status" 1.
struct End {
  const char* words;
  int number;
};
End describe_end(int status);

}  // namespace two_ways
