// counted.hpp — what other tools count or measure for us: strace and wrk.
//
// Do: look first whether they are installed: find_on_path().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "tests/measure/client_group.hpp"

struct CallCount {
  std::uint64_t calls = 0;
  std::uint64_t responses = 0;
  std::string problem;
};

// Attaches strace to a running server while its clients ask `requests` times, and again while they
// ask twice as often. The difference counts: to attach interrupts every wait, and a thread of ours
// that is interrupted sets its time limit anew.
CallCount count_calls(pid_t server, ClientGroup& clients, std::uint64_t requests);

// Requests per second on /row; 0 if wrk fails.
double rate_of_wrk(std::uint16_t port, std::size_t clients, unsigned seconds);
