// test_context.hpp — what a loop's main() makes, for one conversation; and what that is asked.
#pragma once

#include <string>

#include "common/context.hpp"
#include "common/handler.hpp"

using namespace two_ways;

struct TestContext {
  // What is given back to the pool is freed, unless it may keep some: so AddressSanitizer sees who
  // uses it still, and allocations_in_use() what is lent.
  explicit TestContext(std::uint16_t backend_port = 0, int max_kept = 0)
      : context{.handle = handle,
                .draining = draining,
                .counters = counters,
                .backend_port = backend_port,
                .buffers = BufferPool(BufferPool::Sharing::no, max_kept)} {}

  std::atomic<bool> draining = false;
  Counters counters;
  Context context;
};

inline std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}
