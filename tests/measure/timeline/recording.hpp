// recording.hpp — what scene.hpp has written down: the server's calls and the clients' steps.
//
// Gives: each call once, with its beginning and its end, whether strace wrote it in one line or in
//        two; all times on one clock.
// Do not: expect a call to be here because the program made it. Only those are that the scene
//        told strace to show.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

using Microseconds = std::int64_t;  // since 1970

struct Call {
  int thread = 0;
  std::string name;
  std::string arguments;  // without the brackets around them
  std::string result;     // "27", "-1 EAGAIN (Resource temporarily unavailable)"
  Microseconds begin = 0;
  Microseconds end = 0;
};

struct ClientStep {
  char letter = 0;
  Microseconds at = 0;
  std::string what;  // "asks"
};

struct Recording {
  std::string server;
  std::string machine;                // "AMD EPYC, 2 CPUs, 23.5 GiB; Linux 6.18; 2026-11-26"
  std::vector<Call> calls;            // in the order of their beginnings
  std::map<int, Microseconds> exits;  // when a thread has ended
  std::vector<ClientStep> steps;
};

// Throws std::runtime_error, with the line, for what is neither a line of strace nor of the scene.
Recording read_recording(std::istream& file);
