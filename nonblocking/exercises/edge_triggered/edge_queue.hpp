// edge_queue.hpp — the kernel's list of what has become ready: EPOLLET, or EV_CLEAR with kqueue.
//
// An edge is told once. Whoever was told "readable" and leaves something unread is not told again
// until more arrives; if nothing more arrives, never. So note what you have been told, and forget
// it only when the kernel itself says EAGAIN.
//
// Do:    watch a descriptor once, when it is new, for reading and writing both.
// Do not: free an owner while the list of the last wait() may still name it.
#pragma once

#include <array>
#include <span>

#include "common/socket.hpp"

using namespace two_ways;

class EdgeQueue {
 public:
  EdgeQueue();  // throws CallFailed

  // From now on wait() returns `owner` once for each time that `fd` becomes readable or writable.
  // False with errno if the kernel has no room for it. Closing the descriptor ends the watch.
  bool watch(int fd, void* owner);

  // Parks until something has become ready, `milliseconds` have passed (-1: without limit), or a
  // signal comes. Returns owners, each at most twice; valid until the next call. Throws CallFailed.
  std::span<void* const> wait(int milliseconds);

 private:
  static constexpr int most_at_once = 256;

  Descriptor queue_;
  std::array<void*, most_at_once> ready_;
};
