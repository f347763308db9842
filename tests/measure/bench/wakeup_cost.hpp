// wakeup_cost.hpp — the price of one call that waits, in nanoseconds, when it need not wait.
//
// Gives: the usual time of one call and of finding in its result who is ready, with some of the
//        watched sockets ready all the time. Nothing sleeps, so nothing wakes up: what is measured
//        is the asking.
// Do not: expect select beyond FD_SETSIZE; there is no number then. Compare
//        calls on different sockets: where their records lie in memory is a part of the price.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common/socket.hpp"

using namespace two_ways;

enum class WaitingCall { select, poll, being_told };
inline constexpr WaitingCall waiting_calls[] = {WaitingCall::select, WaitingCall::poll,
                                                WaitingCall::being_told};

// Of the last, that of this system: epoll or kqueue.
std::string name_of(WaitingCall call);

// Sockets of one kind: `ready` of them, or all if there are fewer, are readable and the others
// never will be. The ready ones lie evenly among the others, and the last socket is one of them.
// Throws CallFailed when descriptors run out.
struct WatchedSockets {
  WatchedSockets(std::size_t count, std::size_t ready);
  std::vector<Descriptor> owned;
  std::vector<int> fds;
  int highest = 0;
  std::size_t ready = 0;
};

// Calls for about so long.
std::optional<double> wakeup_cost(WaitingCall call, const WatchedSockets& watched,
                                  std::chrono::nanoseconds time);
