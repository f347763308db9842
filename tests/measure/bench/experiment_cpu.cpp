// cpu — what an event loop cannot hide: a request that computes keeps everybody waiting. And what
// no way of waiting can do: compute faster.
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr double rate = 1000;  // light requests a second
constexpr std::size_t light_clients = 64;
constexpr std::size_t heavy_clients = 8;

// x: 0 for the light requests alone, 100 beside a /spin/100 each second, 5 for nothing but /spin/5.
constexpr double alone = 0;
constexpr double beside = 100;
constexpr double spin = 5;

void add_latencies(BenchRun& bench, ServerAtWork& server, double x) {
  server.x = x;
  bench.add(server, "p99_ms", server.clients.latencies().quantile(0.99) / 1e6);
  bench.add(server, "p50_ms", server.clients.latencies().quantile(0.5) / 1e6);
}

// One more client, who asks for the long computation while the others go on.
void measure_light(BenchRun& bench, LoadLoop& loop, ServerAtWork& server) {
  server.clients.constant_rate(rate, bench.choose(milliseconds(300), milliseconds(600)));
  server.check("/");
  add_latencies(bench, server, alone);
  server.x = beside;
  bench.note_own_cpu(server.rate_beside(loop, "/spin/100", rate, milliseconds(1000)));
  add_latencies(bench, server, beside);
}

void measure_full(BenchRun& bench, ServerAtWork& server) {
  const auto slice = bench.choose(milliseconds(150), milliseconds(250));
  const LoadResult result = server.clients.closed_loop(slice);
  server.check("/spin");
  bench.note_own_cpu(result);
  bench.add(server, "spins_per_second", result.per_second());
}

void run(BenchRun& bench) {
  Lineup light(bench);
  light.enter(plans(concurrent));
  light.go_to(beside);
  light.for_each(light_clients, [](ServerAtWork& server) { server.hold(light_clients); });
  light.take_turns(light_clients, bench.repeats(),
                   [&](ServerAtWork& server) { measure_light(bench, light.loop(), server); });
  light.stop();

  Lineup full(bench);
  full.enter(plans(servers));
  full.go_to(spin);
  full.for_each(1, [](ServerAtWork& server) {
    server.hold(server.can_hold(heavy_clients) ? heavy_clients : 1);
    server.clients.ask("/spin/" + with_digits(spin, 0));
  });
  full.take_turns(1, bench.repeats(), [&](ServerAtWork& server) { measure_full(bench, server); });
  full.stop();
  bench.note("light requests: " + with_digits(rate, 0) + " a second from " +
             std::to_string(light_clients) +
             " clients; latency from when each should have been sent, quantiles within 0.4%");
}

void report(BenchRun& bench) {
  const Results& results = bench.results;
  const auto ms = [](double value) { return milliseconds_only(value * 1e6); };
  bench.print(results.table_of(
      {{"p99 alone\nms", alone, "p99_ms", ms},
       {"p99 beside\n/spin/100, ms", beside, "p99_ms", ms},
       {"p50 beside\n/spin/100, ms", beside, "p50_ms", ms},
       {"/spin/5 at full\nload, a second", spin, "spins_per_second", plain_number}}));

  const double loop = results.at("event_loop", beside, "p99_ms");
  const double threads = results.at("thread_per_connection", beside, "p99_ms");
  const bool stalls = loop > 50 && threads < 50;
  const bool no_faster =
      results.ratio_at("event_loop", spin, "spins_per_second", "one_at_a_time", spin).median < 1.25;
  bench.verdict(
      stalls && no_faster,
      std::string(stalls ? "One computation of 100 ms a second puts the loop's p99 above "
                           "50 ms and leaves the threads' below. "
                         : "The loop's p99 and the threads' do not part at 50 ms. ") +
          (no_faster ? "With nothing but computing to do, the loop is not clearly faster than a "
                       "server that takes one client at a time."
                     : "With nothing but computing to do, the loop is faster than "
                       "one_at_a_time, which cannot be."));
}

}  // namespace

extern const BenchExperiment cpu_experiment = {
    "cpu",     "A loop hides waiting, not computing: one long computation stalls everybody.",
    "spin_ms", {25, 71},
    run,       report};
