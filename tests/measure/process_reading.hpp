// process_reading.hpp — what the kernel says about another process.
//
// Gives: threads, memory, context switches and CPU time of a running process, from /proc (Linux).
//        Elsewhere every field is empty: those kernels tell it only about a process that has ended
//        (ChildProcess::used()), and the tables say "-".
// Do:    read before and after, and take the difference. Reading costs time for each thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

struct ProcessReading {
  std::optional<std::uint64_t> threads;
  std::optional<std::uint64_t> reserved_bytes;    // virtual memory, used or not
  std::optional<std::uint64_t> resident_bytes;    // user memory in use; shared pages by share (Pss)
  std::optional<std::uint64_t> page_table_bytes;  // kernel memory for the user's page tables
};

struct ActivityReading {
  std::optional<std::uint64_t> switches;         // of all threads that are alive
  std::optional<std::uint64_t> forced_switches;  // those of them that were not asked for
  std::optional<std::uint64_t> cpu_nanoseconds;  // of all threads that are alive
};

ProcessReading read_process(pid_t process);
ActivityReading read_activity(pid_t process);

// CPU time of a process and of its threads that have ended, in steps of a clock tick (10 ms).
std::optional<std::uint64_t> read_cpu_with_ended_threads(pid_t process);

// Kernel memory for the stacks of all threads of the machine.
std::optional<std::uint64_t> read_kernel_stacks();

// What other programs use of this machine, as a share of all its CPUs, since the last reading.
// Their load disturbs every time that is measured.
class OthersReading {
 public:
  OthersReading();
  // Our own time and that of children who have ended is left out. Nothing where it is not told.
  std::optional<double> share() const;

 private:
  std::optional<double> busy_;  // seconds of all CPUs
  double own_ = 0;
  double all_ = 0;  // seconds that all CPUs had
};

// How many descriptors the process has open.
std::optional<std::uint64_t> count_descriptors(pid_t process);

// Is a debugger such as strace attached to all of its threads?
bool is_traced(pid_t process);

// Do all of its threads sleep in a call? One that a debugger has stopped does not.
bool is_asleep(pid_t process);
