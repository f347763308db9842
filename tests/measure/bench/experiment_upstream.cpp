// upstream — rows per second as more clients ask at once. The backend takes 50 ms for each, however
// many wait: by Little's law n clients get n / 50 ms at most, and a server that waits well comes
// close until its CPU is full.
#include <algorithm>

#include "common/program.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/text_table.hpp"

namespace {

constexpr unsigned delay_ms = 50;

// What Little's law allows so many clients, a second.
double law(std::size_t clients) {
  return static_cast<double>(clients) * 1000 / delay_ms;
}

// A row costs the server two descriptors: the client's and the backend's.
std::size_t most_rows() {
  return std::min<std::size_t>(10'000, (raise_descriptor_limit() - 100) / 2 / 100 * 100);
}

std::vector<std::size_t> levels(const BenchRun& bench) {
  return steps_up_to(std::min(bench.choose<std::size_t>(5'000, 10'000), most_rows()),
                     {1, 10, 100, 1'000});
}

// The clients come for the turn and leave after it: this generator could not hold all at once.
void measure(BenchRun& bench, ServerAtWork& server, std::size_t level) {
  server.clients.ask("/");
  server.hold(level);
  server.clients.ask("/row");
  // Whole rounds, for everybody's answers come in waves, one each 50 ms; and few where the CPU is
  // full and a round takes longer.
  const std::size_t rounds =
      level > 1'000 ? bench.choose<std::size_t>(1, 2) : bench.choose<std::size_t>(4, 6);
  const LoadResult result = server.clients.closed_loop_requests(level * rounds);
  server.check("/row");
  bench.add_rate(server, result);
  bench.add(server, "p50_ms", server.clients.latencies().quantile(0.5) / 1e6);
  bench.add(server, "of_the_law", result.per_second() / law(level));
  server.clients.leave();
  server.wait_until_quiet();
}

// Thousands of connections opened at once are more than the backend's queue holds (listen(2):
// somaxconn). Where the kernel then answers by SYN cookies, one that the server believes open can
// come to nothing (tcp(7): tcp_syncookies), and the server says 502, as it must. Such a turn is
// told, and taken again.
void measure_up_to_thrice(BenchRun& bench, ServerAtWork& server, std::size_t level) {
  for (int left = 2;; --left) {
    try {
      return measure(bench, server, level);
    } catch (const WorkFailed& failure) {
      if (left == 0 || level <= 1'000) throw;
      bench.note("a turn was taken again, of " + server.name + " at " + with_commas(level) + ": " +
                 failure.reason);
    }
    server.clients.leave();
    server.wait_until_quiet();
  }
}

void run(BenchRun& bench) {
  Server backend = start_backend(bench.directory(), delay_ms);
  Lineup lineup(bench);
  lineup.enter(plans(servers, 64, 2), {"-b", std::to_string(backend.port)});
  for (const auto& server : lineup.servers()) server->clients.timeout(std::chrono::seconds(10));
  for (const std::size_t level : levels(bench)) {
    lineup.go_to(static_cast<double>(level));
    lineup.take_turns(level, level > 1'000 ? bench.choose<std::size_t>(3, 5) : bench.repeats(),
                      [&](ServerAtWork& server) { measure_up_to_thrice(bench, server, level); });
  }
  lineup.stop();
  for (const std::size_t level : levels(bench))
    bench.results.add("Little's law", static_cast<double>(level), "per_second", law(level));
  if (most_rows() < 10'000)
    bench.note("at most " + with_commas(most_rows()) +
               " clients at once: each row takes two descriptors of the server's " +
               with_commas(raise_descriptor_limit()));
  bench.note("two cores are shared by the server, the backend and the clients");
}

void report(BenchRun& bench) {
  const Results& results = bench.results;
  bench.print_table("Rows per second", "per_second", plain_number);
  bench.print_table("Share of what Little's law allows", "of_the_law", in_percent);

  const double one = results.at("one_at_a_time", 1, "per_second");
  const double loop = results.at("event_loop", 100, "of_the_law");
  const double threads = results.at("thread_per_connection", 100, "of_the_law");
  const double thousand = results.at("event_loop", 1'000, "per_second");
  const bool holds = loop > 0.5 && threads > 0.5 && thousand > 100 * one;
  bench.verdict(holds,
                holds ? "With 100 clients, threads and loops alike reach more than half of what "
                        "the law allows; one loop with 1,000 clients asks for more than 100 "
                        "times as many rows as a server that waits for one at a time."
                      : "Not everybody reached half of the law with 100 clients, or 100 "
                        "times one_at_a_time with 1,000.");
}

}  // namespace

extern const BenchExperiment upstream_experiment = {
    "upstream",
    "Throughput on a slow backend comes from waiting for many at once.",
    "active_clients",
    {38, 143},
    run,
    report};
