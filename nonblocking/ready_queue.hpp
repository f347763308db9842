// ready_queue.hpp — the kernel's list of what is ready: epoll on Linux, kqueue on macOS and BSD.
//
// Say once what you wait for; each wait() then costs by how many are ready, not by how many are
// watched. There is one back end in ready_queue_epoll.cpp and one in ready_queue_kqueue.cpp, with
// the same names in the same order; the Makefile takes the one for this system. Read them side by
// side.
//
// Both are used level-triggered: as long as a descriptor is ready, every wait() says so. Nothing
// is lost if you read only a part.
//
// Do:    keep the owner alive until forget(), or until the descriptor is closed. Watch a descriptor
//        for one thing at a time.
// Do not: forget() what has been closed: its watch has ended with it, and the number may be
//         another's by now; nor call these functions from two threads.
#pragma once

#include <array>
#include <span>

#include "common/socket.hpp"
#include "common/wait.hpp"

namespace two_ways {

class ReadyQueue {
 public:
  ReadyQueue();  // throws CallFailed

  // From now on wait() returns `owner` when `wait` is over. False with errno if the kernel has no
  // room for it (ENOMEM, ENOSPC).
  bool watch(Wait wait, void* owner);

  // As if by forget(from) and watch(to, owner), for the same descriptor. After false either may be
  // left: forget_before_close() it.
  bool change(Wait from, Wait to, void* owner);

  // Ends a watch. The descriptor must still be open.
  void forget(Wait wait);

  // The same for a descriptor that is about to be closed, which may need no call. Harmless if it is
  // not watched.
  void forget_before_close(Wait wait);

  // Parks the thread until something is ready, or `milliseconds` have passed (-1: without limit),
  // or a signal comes. Returns the owners of what is ready: some of them, if they are many. The
  // span is valid until the next wait(). Throws CallFailed.
  std::span<void* const> wait(int milliseconds);

 private:
  static constexpr int most_at_once = 256;

  Descriptor queue_;
  std::array<void*, most_at_once> ready_;
};

}  // namespace two_ways
