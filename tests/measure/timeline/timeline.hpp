// timeline.hpp — who did what, and when: the trace of a scene as lanes of stretches, and its
// pictures.
//
// Gives: a lane for each client (as it saw the server) and one for each thread of the server
//        (parked, or working, and for whom). A lane has no gaps from its first stretch to its last.
//
// Between two waits a thread works for whoever it has last made a call for. So what is computed
// between a recv and a send, without any call, is that client's.
//
// For whom a call was made: accept returns the descriptors of the clients in the order in which
// they have connected; a connection that is made while a thread works for A is A's, to a backend; a
// call that waits for many names their descriptors, or the queue has been told them before.
//
// What is a wait: a call that may sleep and took a tenth of a millisecond or more. One that came
// back sooner found something to do, and counts as work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

using Microseconds = std::int64_t;

inline constexpr Microseconds shortest_wait = 100;
inline constexpr char nobody = '-';

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
  std::string about;  // and whom it waits for: "A's backend", "new clients, B, C (room)"
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
  std::string machine;      // "AMD EPYC, 2 CPUs, 23.5 GiB; Linux 6.18; 2026-11-26"
  Microseconds length = 0;  // until the last client has left
  std::vector<Lane> clients;
  std::vector<Lane> threads;
  Totals totals;
};

// Throws std::runtime_error, with the line, for what is neither a line of strace nor of scene.hpp,
// and for a trace without clients.
Timeline read_timeline(std::istream& trace);

// "one thread: parked 642 ms, working 118 ms, 243 calls, put to sleep 41 times"
std::string totals_text(const Timeline& timeline);

// SVG, 800 wide, light or dark as its reader's page is. What would be narrower than this many of
// its pixels is drawn so wide, and what comes behind it a little later.
inline constexpr double least_width = 2.5;
std::string draw_svg(const Timeline& timeline);

struct TextStyle {
  bool unicode = true;
  bool colours = false;
};
std::string draw_text(const Timeline& timeline, const TextStyle& style);
