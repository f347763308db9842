#include "tests/measure/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace {

// A value is cut to its 8 leading bits: 128 buckets to each power of two.
constexpr int kept_bits = 8;
constexpr std::uint64_t half = 1u << (kept_bits - 1);
constexpr std::uint64_t longest = 3'600'000'000'000;  // one hour; longer counts as one hour

int shift_of(std::uint64_t value) {
  return std::max(0, static_cast<int>(std::bit_width(value)) - kept_bits);
}

std::size_t bucket_of(std::uint64_t value) {
  const int shift = shift_of(value);
  return static_cast<std::size_t>(shift) * half + (value >> shift);
}

double middle_of(std::size_t bucket) {
  if (bucket < 2 * half) return static_cast<double>(bucket);
  const std::size_t shift = bucket / half - 1;
  const std::uint64_t lowest = (bucket - shift * half) << shift;
  return static_cast<double>(lowest) + static_cast<double>((std::uint64_t{1} << shift) - 1) / 2;
}

}  // namespace

Histogram::Histogram() : buckets_(bucket_of(longest) + 1) {}

void Histogram::record(std::uint64_t nanoseconds) {
  ++buckets_[bucket_of(std::min(nanoseconds, longest))];
  ++count_;
  max_ = std::max(max_, nanoseconds);
  sum_ += static_cast<double>(nanoseconds);
}

void Histogram::clear() {
  *this = Histogram();
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

double Histogram::quantile(double q) const {
  if (count_ == 0) return 0;
  const double rank = std::ceil(q * static_cast<double>(count_));
  const auto wanted = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(rank), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(middle_of(i), static_cast<double>(max_));
  }
  return static_cast<double>(max_);
}
