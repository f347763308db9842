// attribution.hpp — for whom each call of a recording was made.
//
// How it knows: accept returns the descriptors of the clients in the order in which they have
// connected; a connection that is made while a thread works for A is A's, to a backend; a call
// that waits for many names their descriptors, or the queue has been told them before.
#pragma once

#include <string>
#include <vector>

#include "tests/measure/timeline/recording.hpp"

inline constexpr char nobody = '-';

struct Attributed {
  Call call;
  char letter = nobody;
  std::string about;       // "B", "A's backend", "new clients, B, C (room)"
  bool may_sleep = false;  // it waits for many, or its descriptor is somebody's and blocks
};

// In the order of the recording.
std::vector<Attributed> attribute(const Recording& recording);
