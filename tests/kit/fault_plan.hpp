// fault_plan.hpp — which system calls are to fail or fall short on purpose, and how often they did.
//
// The failing is done inside the server's process by a preloaded library, tests/faults/faults.cpp.
// The tester tells it what to do in the environment and shares a page of memory with it, the board:
// there the library counts what it has done, and there the tester can call it off.
//
// Gives: the kinds of faults; the board; a plan that starts servers with faults.
// Do:    call off() before you ask whether a server has got over its faults.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

enum class Fault : unsigned {
  short_read,
  short_write,
  interrupted,
  spurious,
  no_descriptor,
  no_file,
  no_buffer,
  no_kernel_memory,
  aborted,
  broken_pipe,
  reset,
  no_thread,
  no_process,
  no_program,
  no_memory,
  delay,
};
inline constexpr std::size_t fault_kinds = 16;

// A set of kinds, one bit each.
using Faults = unsigned;
constexpr Faults only(Fault fault) {
  return 1u << static_cast<unsigned>(fault);
}

// The kernel gives less than it has, or later. Every promise to a client holds.
inline constexpr Faults partial_faults = only(Fault::short_read) | only(Fault::short_write);
// No room for a new descriptor. Clients wait a little longer, and there may be no row for them.
inline constexpr Faults exhaustion_faults = only(Fault::no_descriptor) | only(Fault::no_file) |
                                            only(Fault::no_buffer) | only(Fault::no_kernel_memory);
// A client's connection may end. Nobody else's may, and what arrives must be right.
inline constexpr Faults breaking_faults = only(Fault::aborted) | only(Fault::broken_pipe) |
                                          only(Fault::reset) | only(Fault::no_thread) |
                                          only(Fault::no_memory) | only(Fault::no_kernel_memory);
// Only prefork starts processes.
inline constexpr Faults process_faults = only(Fault::no_process) | only(Fault::no_program);
inline constexpr Faults every_fault = (1u << fault_kinds) - 1;

struct FaultKind {
  Fault fault;
  const char* name;   // as in FAULTS="seed=17,short_read=30"
  double percent;     // of the calls it can happen to, when it happens alone
  const char* words;  // what the program sees
};
inline constexpr std::array<FaultKind, fault_kinds> all_fault_kinds = {{
    {Fault::short_read, "short_read", 30, "recv brings less than there is, down to one byte"},
    {Fault::short_write, "short_write", 30, "send takes less than it could, down to one byte"},
    {Fault::interrupted, "eintr", 15, "EINTR from any call that may wait, and from close"},
    {Fault::spurious, "spurious", 20, "ready, and then EAGAIN (non-blocking sockets)"},
    {Fault::no_descriptor, "emfile", 10, "EMFILE from accept and socket"},
    {Fault::no_file, "enfile", 10, "ENFILE from accept and socket"},
    {Fault::no_buffer, "enobufs", 10, "ENOBUFS from accept and socket"},
    {Fault::no_kernel_memory, "enomem", 10, "ENOMEM from accept, socket, epoll_ctl and waits"},
    {Fault::aborted, "econnaborted", 10, "ECONNABORTED from accept; that client is gone"},
    {Fault::broken_pipe, "epipe", 2, "EPIPE from send; that connection is dead"},
    {Fault::reset, "econnreset", 2, "ECONNRESET from recv or send; that connection is dead"},
    {Fault::no_thread, "no_thread", 15, "EAGAIN from pthread_create"},
    {Fault::no_process, "no_fork", 30, "EAGAIN or ENOMEM from fork"},
    {Fault::no_program, "no_exec", 15, "ENOMEM from execvp, in the new process"},
    {Fault::no_memory, "bad_alloc", 2, "std::bad_alloc from operator new"},
    {Fault::delay, "delay", 10, "a call completes up to two milliseconds late"},
}};

// Shared with the library. Zero at first.
struct FaultBoard {
  std::atomic<std::uint32_t> off;     // not zero: no more faults
  std::atomic<std::uint32_t> loaded;  // processes that have the library inside
  std::atomic<std::uint64_t> calls;   // that the library has seen since the server waited first
  std::array<std::atomic<std::uint64_t>, fault_kinds> injected;
};

using FaultCounts = std::array<std::uint64_t, fault_kinds>;

class FaultPlan {
 public:
  // `share` scales the percentages of all kinds. Throws CallFailed; std::runtime_error when there
  // is no such library.
  FaultPlan(const std::string& library, Faults faults, std::uint64_t seed, double share = 1);
  ~FaultPlan();
  FaultPlan(const FaultPlan&) = delete;
  FaultPlan& operator=(const FaultPlan&) = delete;

  Faults faults() const { return faults_; }

  // "LD_PRELOAD=...", "FAULTS=..." for the server's environment.
  std::vector<std::string> environment() const;
  // The same for a person's command line.
  std::string command_words() const;

  void off() { board_->off = 1; }
  void on() { board_->off = 0; }
  bool is_loaded() const { return board_->loaded > 0; }
  std::uint64_t calls() const { return board_->calls; }
  FaultCounts counts() const;
  // How many of these kinds have happened.
  std::uint64_t happened(Faults kinds) const;

 private:
  std::string library_;
  Faults faults_;
  std::uint64_t seed_;
  double share_;
  std::string board_path_;
  FaultBoard* board_;
};
