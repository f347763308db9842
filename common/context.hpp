// context.hpp — what the conversations of one server have in common. main() makes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "common/buffers.hpp"
#include "common/counters.hpp"
#include "common/http.hpp"

namespace two_ways {

struct Context {
  Handler handle;                     // makes the responses
  const std::atomic<bool>& draining;  // a stop has been asked for: finish what is under way
  Counters& counters;                 // of the whole process
  std::uint16_t backend_port = 0;     // 0: there is no backend
  BufferPool buffers = BufferPool(BufferPool::Sharing::no);
  int descriptor_limit = std::numeric_limits<int>::max();  // select cannot watch these and up
};

}  // namespace two_ways
