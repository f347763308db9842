// limits.hpp — how many clients this machine lets us have.
//
// Gives: the first limit that stands in the way of so many clients, in words. The limit of
//        descriptors is raised first, as the servers do it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

struct Allowance {
  std::size_t clients = 0;
  std::string limit;  // "the limit of 4,096 descriptors (ulimit -Hn)"; empty: all that were wished
};

// How many of `wished` clients fit when each costs this process, and the server, one descriptor,
// and a few more are needed besides.
Allowance allowed_clients(std::size_t wished, std::size_t besides);
// The same for a server that needs a thread for each.
Allowance allowed_threads(std::size_t wished, std::size_t besides);

// Those of `wished` that are below `most`, in order, and then `most` itself.
std::vector<std::size_t> steps_up_to(std::size_t most, std::vector<std::size_t> wished);
