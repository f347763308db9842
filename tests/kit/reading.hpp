// reading.hpp — what a measurement reads of processes, and of the machine.
//
// Gives: threads, memory, context switches and CPU time of a running process, from /proc (Linux).
//        Elsewhere every field is empty: those kernels tell it only about a process that has ended
//        (wait4(2)), and the tables say "-".
// Do:    read before and after, and take the difference. Reading costs time for each thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "tests/kit/observe.hpp"

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

// Memory that the kernel holds on behalf of all processes: read before and after, and take the
// difference; what others do meanwhile is in it.
struct KernelMemory {
  std::optional<std::uint64_t> stacks;  // of threads, while they are in the kernel
  std::optional<std::uint64_t> slab;    // records: sockets, open files, tasks...
  // Those of them that sockets are made of: TCP, inode, open file, entry in a queue of epoll(7).
  // Only root may know; for others the inodes are missing in `slab`, too.
  std::optional<std::uint64_t> sockets;
};
KernelMemory read_kernel_memory();
