// counted.hpp — what other tools count or measure for us: strace, valgrind, wrk.
//
// Gives: system calls per answer (strace -c), user instructions per answer (callgrind, as the slope
//        between a short and a long run), requests per second as wrk sees them.
// Do:    look first whether they are installed: find_on_path().
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

struct InstructionCount {
  double per_request = 0;
  std::string problem;
};

// Starts the program under callgrind twice. `ours`: it takes our servers' options.
InstructionCount count_instructions(const std::string& directory, const std::string& name,
                                    bool ours, std::size_t clients, std::uint64_t few,
                                    std::uint64_t many);

// Requests per second on /row; 0 if wrk fails.
double rate_of_wrk(std::uint16_t port, std::size_t clients, unsigned seconds);
