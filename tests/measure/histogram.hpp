// histogram.hpp — many latencies in little memory, with a known error.
//
// Gives: counts in buckets that grow with the value, as HdrHistogram has them: values up to 255 ns
//        are exact, above that a bucket is as wide as 1/128 of its lowest value. quantile() says
//        the middle of a bucket, so it is off by at most 1/256 (0.4%) of the value.
// Do:    record every latency, the late ones above all. Never average quantiles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

class Histogram {
 public:
  static constexpr double error_bound = 1.0 / 256;

  Histogram();
  void record(std::uint64_t nanoseconds);
  void clear();

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }  // exact
  double mean() const;                        // exact
  // The value below or at which the share `q` (0 to 1) of all values lie; 0 if there are none.
  double quantile(double q) const;

 private:
  std::vector<std::uint32_t> buckets_;
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  double sum_ = 0;
};
