// surroundings.hpp — what the conversations of one loop have in common.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "common/exchange.hpp"

struct Surroundings {
  explicit Surroundings(std::uint16_t port) : backend_port(port) {}
  Surroundings(const Surroundings&) = delete;  // the bench points into it
  Surroundings& operator=(const Surroundings&) = delete;

  std::uint16_t backend_port;                              // 0: there is no backend
  int descriptor_limit = std::numeric_limits<int>::max();  // the loop cannot wait on these and up
  std::array<char, 32 * 1024> space;
  Bench bench{.space = space};
};
