// counters.hpp — what a server has done so far.
//
// Gives: numbers for the line that SIGUSR1 prints and for tests that look inside.
// Do:    count where it happens. Any thread may, and the signal handler may read.
#pragma once

#include <atomic>
#include <cstdint>

namespace two_ways {

struct Counters {
  using Count = std::atomic<std::uint64_t>;
  Count accepted = 0;
  Count closed = 0;
  Count requests = 0;  // whole ones, refused ones included
  Count wakeups = 0;   // how often the call that waits came back
  Count waits = 0;     // how often a conversation could not go on

  static void count(Count& counter) { counter.fetch_add(1, std::memory_order_relaxed); }
};

}  // namespace two_ways
