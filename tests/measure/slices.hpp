// slices.hpp — servers compared in turn, so that the machine's moods hit all of them alike.
//
// A shared machine changes speed within seconds. So every server gets a short slice of load in each
// cycle, in random order; a ratio is taken within one cycle, and the median over the cycles counts.
//
// Gives: for each group, what each cycle's slice found.
// Do:    look at failed() of the groups afterwards; a group that failed is left out from then on.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tests/measure/client_group.hpp"

struct SlicePlan {
  Nanoseconds slice = std::chrono::milliseconds(25);
  std::size_t cycles = 40;
  std::uint32_t seed = 1;  // of the random order
};

// 25 ms; 60 ms at 1,000 connections, where one round takes longer.
Nanoseconds slice_for(std::size_t clients);

struct Slices {
  std::vector<LoadResult> results;  // by cycle
  double per_second() const;        // the median
};

// result[g] belongs to groups[g]. `around`, if there is one, is called with g before and after each
// slice: a place to read clocks.
std::vector<Slices> run_slices(const std::vector<ClientGroup*>& groups, const SlicePlan& plan,
                               const std::function<void(std::size_t)>& around = nullptr);

// The median over the cycles of `one`'s rate divided by `other`'s. 0 if either has none.
double ratio_of(const Slices& one, const Slices& other);
