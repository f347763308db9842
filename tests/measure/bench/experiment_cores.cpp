// cores — more than one CPU: workers of a server on one listener, started by prefork.
//
// Work that computes shows what a second worker brings. Who gets the clients is the kernel's
// choice: the counters of the workers (SIGUSR1) show how uneven it is; and the herd shows how many
// workers wake up for one client of whom only one will get it.
#include <algorithm>

#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/herd.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr std::size_t workers[] = {1, 2, 4};
constexpr std::size_t client_count = 64;
constexpr std::size_t herd_clients = 200;
const char* const name = "prefork event_loop";

// The clients come one after the other, each to workers that sleep, and leave after the turn: who
// serves whom is drawn anew each time.
void measure_rates(BenchRun& bench, ServerAtWork& server) {
  server.clients.ask("/");
  for (std::size_t i = 1; i <= client_count; ++i) server.hold(i);
  const auto open = read_counters(server.process, static_cast<std::size_t>(server.x), "open");
  const auto most = static_cast<double>(*std::max_element(open.begin(), open.end()));
  bench.add(server, "largest_share", most / static_cast<double>(client_count));
  const auto slice = bench.choose(milliseconds(150), milliseconds(300));
  LoadResult result = server.clients.closed_loop(slice);
  server.check("/");
  bench.add_rate(server, result);
  server.clients.ask("/spin/2");
  result = server.clients.closed_loop(slice);
  server.check("/spin/2");
  bench.note_own_cpu(result);
  bench.add(server, "spins_per_second", result.per_second());
  server.clients.leave();
}

// Clients come one at a time, each to workers that all sleep.
void measure_herd(BenchRun& bench, const Sharing& sharing, std::size_t count) {
  const auto x = static_cast<double>(count);
  bench.attempt(sharing.name, x, [&] {
    const HerdReport report = watch_herd(sharing, count, herd_clients);
    bench.results.add(sharing.name, x, "wakeups_per_client", report.wakeups);
    bench.results.add(sharing.name, x, "herd_largest_share", report.largest_share);
  });
}

void run(BenchRun& bench) {
  Lineup lineup(bench);
  for (const std::size_t count : workers)
    lineup.enter(name, static_cast<double>(count), 0, [&] {
      return start_program(
          bench.directory(), "prefork",
          {"-w", std::to_string(count), "-p", "0", bench.directory() + "/event_loop", "-t", "600"});
    });
  lineup.take_turns(client_count, bench.repeats(),
                    [&](ServerAtWork& server) { measure_rates(bench, server); });
  lineup.stop();
  const auto ways = sharings();
  for (const Sharing& sharing : ways) bench.results.mention(sharing.name);
  for (const std::size_t count : workers)
    bench.interleave(ways.size(), bench.repeats(),
                     [&](std::size_t, std::size_t i) { measure_herd(bench, ways[i], count); });
  bench.note(
      "the clients' generator needs a CPU too, so / cannot show what a second worker brings "
      "where there are two; /spin/2, which keeps the generator waiting, can");
  bench.note(
      "the herd: processes that sleep in epoll_wait, and 200 clients that come one at a time; "
      "a wake-up is a voluntary context switch, for whoever comes too late is put to sleep "
      "again inside epoll_wait and never hears of it");
}

void report(BenchRun& bench) {
  bench.print_table("/spin/2 a second, by the number of workers", "spins_per_second", plain_number);
  bench.print_table("/ a second", "per_second", plain_number);
  bench.print_table("Share of 64 clients that the busiest worker got (even: 1 / workers)",
                    "largest_share", in_percent);
  if (!sharings().empty()) {
    bench.print_table("Wake-ups for one client (1 is the least), by the number of workers",
                      "wakeups_per_client", two_digits);
    bench.print_table("Share of the clients that the busiest of the herd got", "herd_largest_share",
                      in_percent);
  }
  const Spread more = bench.results.ratio_at(name, 2, "spins_per_second", name, 1);
  const bool holds = more.median > 1.5;
  bench.verdict(holds, std::string("Two workers compute ") + (holds ? "more" : "less") +
                           " than 1.5 times as much as one.");
  bench.print_indented("/spin/2: " + times(more) + " as many with two workers as with one.");
}

}  // namespace

extern const BenchExperiment cores_experiment = {
    "cores",   "Several workers use more CPUs, without a line of the loop being changed.",
    "workers", {12, 31},
    run,       report,
    name,      1};
