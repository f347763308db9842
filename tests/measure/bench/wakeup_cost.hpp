// wakeup_cost.hpp — the price of one call that waits, in nanoseconds, when it need not wait.
//
// Gives: the usual time of one call and of finding in its result who is ready, with `ready` of
//        `watched` sockets ready all the time. Nothing sleeps, so nothing wakes up: what is
//        measured is the asking. The ready ones lie evenly among the watched; one alone is the
//        last.
// Do not: expect select beyond FD_SETSIZE, or kqueue on Linux; there is no number then.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

enum class WaitingCall { select, poll, epoll, kqueue };

std::string name_of(WaitingCall call);
// Those that this system has.
std::vector<WaitingCall> waiting_calls();
// epoll or kqueue.
WaitingCall being_told();

// Calls for about so long. Throws CallFailed when descriptors run out.
std::optional<double> wakeup_cost(WaitingCall call, std::size_t watched, std::size_t ready,
                                  std::chrono::nanoseconds time);
