// cpu — what an event loop cannot hide: a request that computes keeps everybody waiting. And what
// no way of waiting can do: compute faster.
#include <unistd.h>

#include <algorithm>

#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/lineup.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr double rate = 1000;  // light requests a second
constexpr std::size_t light_clients = 64;
constexpr std::size_t heavy_clients = 8;
constexpr double spin = 5;  // milliseconds of CPU, for the full load

// x: 0 for the light requests alone, 100 beside a /spin/100 each second, 5 for nothing but /spin/5.
constexpr double beside = 100;

milliseconds alone_time(const Bench& bench) {
  return bench.choose(milliseconds(300), milliseconds(600));
}
constexpr milliseconds beside_time(1000);
milliseconds full_slice(const Bench& bench) {
  return bench.choose(milliseconds(150), milliseconds(250));
}

double seconds(const Bench& bench) {
  const auto models = static_cast<double>(many_client_models().size());
  const auto repeats = static_cast<double>(bench.repeats());
  return repeats * (models * (in_seconds(alone_time(bench) + beside_time) + 0.02) +
                    (models + 1) * (in_seconds(full_slice(bench)) + 0.06)) +
         1;
}

void add_latencies(Bench& bench, const Runner& runner, double x) {
  const Histogram& latencies = runner.clients.latencies();
  bench.results.add(runner.model.name, x, "p99_ms", latencies.quantile(0.99) / 1e6);
  bench.results.add(runner.model.name, x, "p50_ms", latencies.quantile(0.5) / 1e6);
}

// One more client, who asks for the long computation while the others go on.
void measure_light(Bench& bench, Lineup& lineup, Runner& runner) {
  runner.clients.constant_rate(rate, alone_time(bench));
  Bench::check(runner.clients, "/", runner.server);
  add_latencies(bench, runner, 0);
  ClientGroup heavy(lineup.loop(), runner.server.port);
  heavy.connect(1);
  heavy.ask("/spin/100");
  heavy.start_requests(1);
  const LoadResult result = runner.clients.constant_rate(rate, beside_time);
  const LoadResult spun = heavy.finish_requests();
  Bench::check(runner.clients, "/ beside /spin/100", runner.server);
  Bench::check(heavy, "/spin/100", runner.server);
  if (spun.answers != 1) throw WorkFailed{"/spin/100 was not answered"};
  bench.note_own_cpu(result);
  add_latencies(bench, runner, beside);
}

void measure_full(Bench& bench, Runner& runner) {
  const LoadResult result = runner.clients.closed_loop(full_slice(bench));
  Bench::check(runner.clients, "/spin", runner.server);
  bench.note_own_cpu(result);
  bench.results.add(runner.model.name, spin, "spins_per_second", result.per_second());
}

void run_light(Bench& bench) {
  Lineup lineup(bench);
  lineup.enter(many_client_models());
  lineup.go_to(beside);
  lineup.for_each(light_clients, [](Runner& runner) {
    runner.clients.connect(light_clients);
    Bench::check(runner.clients, "connecting", runner.server);
  });
  lineup.take_turns(light_clients, [&](Runner& runner) { measure_light(bench, lineup, runner); });
  lineup.stop();
}

void run_full(Bench& bench) {
  Lineup lineup(bench);
  lineup.enter(many_client_models());
  lineup.enter({one_at_a_time_model()});
  lineup.go_to(spin);
  lineup.for_each(1, [](Runner& runner) {
    runner.clients.connect(runner.model.most_clients == 1 ? 1 : heavy_clients);
    Bench::check(runner.clients, "connecting", runner.server);
    runner.clients.ask("/spin/" + with_digits(spin, 0));
  });
  lineup.take_turns(1, [&](Runner& runner) { measure_full(bench, runner); });
  lineup.stop();
}

void run(Bench& bench) {
  run_light(bench);
  run_full(bench);
  bench.note("light requests: " + with_digits(rate, 0) + " a second from " +
             std::to_string(light_clients) +
             " clients; latency from when each should have been sent, quantiles within 0.4%");
}

void report(Bench& bench) {
  const Results& results = bench.results;
  const auto milliseconds_of = [](double value) { return milliseconds_only(value * 1e6); };
  TextTable table({"", "p99 alone\nms", "p99 beside\n/spin/100, ms", "p50 beside\n/spin/100, ms",
                   "/spin/5 at full\nload, a second"});
  std::vector<Bar> bars;
  for (const std::string& model : results.models()) {
    if (results.failed(model, beside) || results.failed(model, spin)) {
      table.add_across(model, "FAILED: see below");
      continue;
    }
    const auto cell = [&](double x, const char* metric, const NumberFormat& format) {
      return results.cell(model, x, metric, format);
    };
    table.add({model, cell(0, "p99_ms", milliseconds_of), cell(beside, "p99_ms", milliseconds_of),
               cell(beside, "p50_ms", milliseconds_of),
               cell(spin, "spins_per_second", plain_number)});
    if (const auto value = results.find(model, beside, "p99_ms"))
      bars.push_back({model, *value, milliseconds_of(*value) + " ms"});
  }
  bench.print(table.text() + "p99 of the light requests beside one /spin/100 a second:\n" +
              draw_bars(bars));

  const auto loop = results.find("event_loop", beside, "p99_ms");
  const auto threads = results.find("thread_per_connection", beside, "p99_ms");
  const auto loop_full = results.find("event_loop", spin, "spins_per_second");
  const auto one_full = results.find("one_at_a_time", spin, "spins_per_second");
  const auto threads_full = results.find("thread_per_connection", spin, "spins_per_second");
  if (!loop || !threads || !loop_full || !one_full || !threads_full)
    return bench.verdict_impossible("a server failed.");
  const bool stalls = *loop > 50 && *threads < 50;
  const double faster =
      results.ratio("event_loop", spin, "spins_per_second", "one_at_a_time", spin).value_or(0);
  const bool no_faster = faster < 1.25;
  bench.verdict(
      stalls && no_faster,
      std::string(stalls ? "One computation of 100 ms a second puts the loop's p99 above "
                           "50 ms and leaves the threads' below. "
                         : "The loop's p99 and the threads' do not part at 50 ms. ") +
          (no_faster ? "With nothing but computing to do, the loop is not clearly faster than a "
                       "server that takes one client at a time."
                     : "With nothing but computing to do, the loop is faster than "
                       "one_at_a_time, which cannot be."));
  bench.numbers("p99: event_loop " + milliseconds_of(*loop) + " ms, thread_per_connection " +
                milliseconds_of(*threads) + " ms. /spin/5 a second: one_at_a_time " +
                plain_number(*one_full) + ", event_loop " + plain_number(*loop_full) +
                ", thread_per_connection " + plain_number(*threads_full) + ", " +
                times(*threads_full / *loop_full) + " the loop's, on " +
                std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " CPUs.");
}

}  // namespace

const BenchExperiment cpu_experiment = {
    "cpu",     "A loop hides waiting, not computing: one long computation stalls everybody.",
    "spin_ms", "event_loop",
    run,       report,
    seconds};
