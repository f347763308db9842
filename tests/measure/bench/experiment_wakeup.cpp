// wakeup — what a server asks when it wakes up: one call, with one or with many ready among n
// watched. The call finds them ready and does not sleep.
#include <algorithm>

#include "common/program.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/wakeup_cost.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/text_table.hpp"

namespace {

// "k ready among n" and "1 ready among n" have values of x in common: the name of the metric tells
// them apart.
constexpr const char* one_ready = "ns_one_ready";
constexpr const char* many_ready = "ns_k_ready_of_n";

constexpr std::size_t enough_watched = 100'000;

// So many ready among so many watched, and where the result stands.
struct Point {
  std::size_t watched;
  std::size_t ready;
  const char* metric;
  std::size_t x;
};

// Up to as many as this process may have, if that is not beyond all reason.
std::vector<std::size_t> watched_counts(std::size_t descriptors) {
  return steps_up_to(std::min(descriptors / 100 * 100, enough_watched),
                     {1, 5, 10, 50, 100, 200, 500, 1'000, 2'000, 5'000, 10'000, 20'000, 50'000});
}

// The records of many more do not stay in the caches, and on a machine that is shared it is then
// the neighbours who decide what looking at them costs.
std::size_t most_for_ready(std::size_t descriptors) {
  return std::min<std::size_t>(5'000, descriptors / 100 * 100);
}

std::vector<Point> points(std::size_t descriptors) {
  std::vector<Point> all;
  for (const std::size_t n : watched_counts(descriptors)) all.push_back({n, 1, one_ready, n});
  const std::size_t most = most_for_ready(descriptors);
  for (const std::size_t k : {std::size_t{1}, most / 1000, most / 100, most / 10, most / 2, most})
    if (k > 0) all.push_back({most, k, many_ready, k});
  return all;
}

std::size_t room_for_descriptors() {
  return raise_descriptor_limit() - 100;
}

// All calls on the same sockets. Whichever comes first begins next time with another one.
void measure(BenchRun& bench, const Point& point, std::size_t repeat) {
  const WatchedSockets sockets(point.watched, point.ready);
  const std::chrono::milliseconds slice(bench.choose(5, 20));
  for (std::size_t i = 0; i < std::size(waiting_calls); ++i) {
    const WaitingCall call = waiting_calls[(repeat + i) % std::size(waiting_calls)];
    if (const auto cost = wakeup_cost(call, sockets, slice))
      bench.results.add(name_of(call), static_cast<double>(point.x), point.metric, *cost);
  }
}

void run(BenchRun& bench) {
  const std::size_t descriptors = room_for_descriptors();
  const std::vector<Point> all = points(descriptors);
  for (const WaitingCall call : waiting_calls) bench.results.mention(name_of(call));
  // Where a descriptor's records lie in memory decides what looking at it costs, and each repeat
  // opens all of them anew: many repeats, for a median that is the same tomorrow.
  const std::size_t repeats = bench.choose(bench.repeats(), 3 * bench.repeats());
  bench.interleave(all.size(), repeats, [&](std::size_t repeat, std::size_t i) {
    bench.progress("repeat " + std::to_string(repeat + 1) + ": " + with_commas(all[i].ready) +
                   " ready among " + with_commas(all[i].watched));
    measure(bench, all[i], repeat);
  });
  bench.note("limit: " + with_commas(descriptors + 100) +
             " descriptors for this process; select(2) cannot name a descriptor of 1,024 or more, "
             "so it stops before that" +
             (watched_counts(descriptors).back() == enough_watched
                  ? "; more than 100,000 are not tried"
                  : ""));
  bench.note(
      "the ready ones lie evenly among the watched, and one alone is the last; Linux's select and "
      "poll enter a process into the wait queues of those before the first ready one only, which "
      "makes a call dearer with one ready than with many");
}

void report(BenchRun& bench) {
  const Results& results = bench.results;
  const auto in_microseconds = [](double nanoseconds) { return three_digits(nanoseconds / 1000); };
  bench.print("One ready among n watched: microseconds for one call, which does not sleep\n" +
              results.table_by_x(one_ready, in_microseconds));
  const std::size_t most = most_for_ready(room_for_descriptors());
  bench.print("k ready among " + with_commas(most) +
              " watched: microseconds for one call (rows: k)\n" +
              results.table_by_x(many_ready, in_microseconds));

  const std::string told = name_of(WaitingCall::being_told);
  const Spread ask = results.ratio_at("poll", 5'000, one_ready, "poll", 5);
  const Spread tell = results.ratio_at(told, 5'000, one_ready, told, 5);
  const bool grows = ask.median > 20;
  const bool stays = tell.median < 3;
  bench.verdict(grows && stays,
                "From 5 to 5,000 watched, a call of poll that finds one ready takes " +
                    std::string(grows ? "more" : "less") + " than 20 times as long, one of " +
                    told + (stays ? " less" : " more") + " than 3 times.");
  const auto all = static_cast<double>(most);
  const Spread told_all = results.ratio_at(told, all, many_ready, told, 1);
  const Spread ask_one = results.ratio_at("poll", 1, many_ready, told, 1);
  const Spread ask_all = results.ratio_at("poll", all, many_ready, told, all);
  bench.print_indented("\"O(1)\" means O(ready): with all of " + plain_number(all) +
                       " ready, one call of " + told + " takes " + times(told_all) +
                       " as long as with one ready. poll takes " + times(ask_one) + " as long as " +
                       told + " with one ready, and " + times(ask_all) + " with all ready.");
}

}  // namespace

extern const BenchExperiment wakeup_experiment = {
    "wakeup",
    "To ask about all costs more with every client that is watched; to be told does not.",
    "watched_or_ready",
    {4, 37},
    run,
    report,
    name_of(WaitingCall::being_told)};
