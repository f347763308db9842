// lanes.hpp — who did what, and when: a recording as lanes of stretches.
//
// Gives: a lane for each client (as it saw the server) and one for each thread of the server
//        (parked, or working, and for whom). A lane has no gaps from its first stretch to its last.
//
// Between two waits a thread works for whoever it has last made a call for. So what is computed
// between a recv and a send, without any call, is that client's.
//
// What is a wait: a call that may sleep and took a tenth of a millisecond or more. One that came
// back sooner found something to do, and counts as work.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/measure/timeline/attribution.hpp"

inline constexpr Microseconds shortest_wait = 100;

enum class State {
  parked,  // threads
  working,
  connected,  // clients: nothing is asked
  asking,     // half a request is sent
  waiting,
  reading,  // the answer has begun to arrive
};

struct Stretch {
  State state = State::parked;
  char letter = nobody;    // for whom
  Microseconds begin = 0;  // since the scene began
  Microseconds end = 0;
  std::string title;  // all about it, in lines
  std::string word;   // of a wait: its call, "recv"
  std::string about;  // and whom it waits for: "A's backend"
};

struct Lane {
  char letter = nobody;  // if it is one client's
  std::string name;
  std::vector<Stretch> stretches;
};

struct Totals {
  Microseconds parked = 0;
  Microseconds working = 0;
  std::size_t calls = 0;
  std::size_t sleeps = 0;  // how often a thread was parked: each is two switches, off and on
};

struct Timeline {
  std::string server;
  std::string machine;
  Microseconds length = 0;  // until the last client has left
  std::vector<Lane> clients;
  std::vector<Lane> threads;
  Totals totals;
};

// Throws std::runtime_error for a recording without clients.
Timeline make_timeline(const Recording& recording);

// "one thread: parked 642 ms, working 118 ms, 243 calls, put to sleep 41 times"
std::string totals_text(const Timeline& timeline);
