// kernel_memory.hpp — memory that the kernel holds on behalf of all processes.
//
// Gives: the whole machine's, from /proc (Linux); nothing elsewhere.
// Do:    read before and after, and take the difference; what others do meanwhile is in it.
#pragma once

#include <cstdint>
#include <optional>

struct KernelMemory {
  std::optional<std::uint64_t> stacks;          // of threads, while they are in the kernel
  std::optional<std::uint64_t> slab;            // records: sockets, open files, tasks...
  std::optional<std::uint64_t> socket_buffers;  // bytes under way in TCP
};

KernelMemory read_kernel_memory();
