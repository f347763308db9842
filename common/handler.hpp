// handler.hpp — what each path answers: the site that the six servers serve.
//
// Nothing else in common/ knows a path. A program that serves something else hands its own handler
// to the same loop.
#pragma once

#include <cstdint>
#include <span>

#include "common/http.hpp"

namespace two_ways {

inline constexpr std::uint32_t max_generated = 1u << 30;  // bytes, 1 GiB
inline constexpr int max_spin = 10'000;                   // milliseconds

// The response to a request for /, /echo/TEXT, /bytes/N, /row or /spin/MS. For /spin/MS it burns
// the thread's time right here, and nobody else is served by this thread meanwhile.
Response respond_to(const Request& request);

// Fills `room` with the body of /bytes/N from `offset` on: records of sixteen bytes, each its own
// offset in fifteen digits and a line feed, so that any byte says where it belongs.
void write_pattern(std::uint32_t offset, std::span<char> room);

inline constexpr Handler handle{.respond = respond_to, .generate = write_pattern};

}  // namespace two_ways
