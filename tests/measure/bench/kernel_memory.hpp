// kernel_memory.hpp — memory that the kernel holds on behalf of all processes.
//
// Gives: the whole machine's, from /proc (Linux); nothing elsewhere.
// Do:    read before and after, and take the difference; what others do meanwhile is in it.
#pragma once

#include <cstdint>
#include <optional>

struct KernelMemory {
  std::optional<std::uint64_t> stacks;  // of threads, while they are in the kernel
  std::optional<std::uint64_t> slab;    // records: sockets, open files, tasks...
  // Those of them that sockets are made of: TCP, inode, open file, entry in a queue of epoll(7).
  // Only root may know; for others the inodes are missing in `slab`, too.
  std::optional<std::uint64_t> sockets;
};

KernelMemory read_kernel_memory();
