// limits.hpp — how many clients this machine lets us have.
//
// Gives: the descriptor limit, its soft part raised to the hard one (children inherit it), and the
//        first limit that stands in the way of so many clients, in words.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

// The number of descriptors a process may have from now on. Throws CallFailed.
std::size_t raise_descriptor_limit();

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
