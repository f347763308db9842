#include "tests/measure/slices.hpp"

#include <algorithm>
#include <numeric>
#include <random>

#include "tests/measure/text_table.hpp"

Nanoseconds slice_for(std::size_t clients) {
  return std::chrono::milliseconds(clients >= 1000 ? 60 : 25);
}

double Slices::per_second() const {
  std::vector<double> rates;
  for (const LoadResult& result : results) rates.push_back(result.per_second());
  return median(rates);
}

std::vector<Slices> run_slices(const std::vector<ClientGroup*>& groups, const SlicePlan& plan,
                               const std::function<void(std::size_t)>& around) {
  std::vector<Slices> all(groups.size());
  std::vector<std::size_t> order(groups.size());
  std::iota(order.begin(), order.end(), 0u);
  std::mt19937 random(plan.seed);
  for (std::size_t cycle = 0; cycle < plan.cycles; ++cycle) {
    std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t g : order) {
      if (groups[g]->failed()) continue;
      if (around) around(g);
      const LoadResult result = groups[g]->closed_loop(plan.slice);
      if (around) around(g);
      if (!groups[g]->failed()) all[g].results.push_back(result);
    }
  }
  return all;
}

double ratio_of(const Slices& one, const Slices& other) {
  std::vector<double> ratios;
  const std::size_t cycles = std::min(one.results.size(), other.results.size());
  for (std::size_t i = 0; i < cycles; ++i)
    if (other.results[i].answers > 0)
      ratios.push_back(one.results[i].per_second() / other.results[i].per_second());
  return median(ratios);
}
