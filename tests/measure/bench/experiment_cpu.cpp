// cpu — what an event loop cannot hide: a request that computes keeps everybody waiting. And what
// no way of waiting can do: compute faster.
#include <algorithm>

#include "tests/measure/bench/bench.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr double rate = 1000;  // light requests a second
constexpr std::size_t light_clients = 64;
constexpr std::size_t heavy_clients = 8;
constexpr double spin = 5;  // milliseconds of CPU, for the full load

// x: 0 for the light requests alone, 100 beside a /spin/100 each second, 5 for nothing but /spin/5.
constexpr double beside = 100;

void measure_light(Bench& bench, const BenchModel& model) {
  Contender server = bench.start(model);
  LoadLoop loop;
  ClientGroup light(loop, server.port);
  ClientGroup heavy(loop, server.port);
  light.connect(light_clients);
  heavy.connect(1);
  heavy.ask("/spin/100");
  light.constant_rate(rate, bench.choose(milliseconds(400), milliseconds(1000)));
  Bench::check(light, "/", server);
  bench.results.add(model.name, 0, "p99_ms", light.latencies().quantile(0.99) / 1e6);
  bench.results.add(model.name, 0, "p50_ms", light.latencies().quantile(0.5) / 1e6);
  Histogram all;
  for (int second = 0; second < bench.choose(1, 2); ++second) {
    heavy.start_requests(1);
    const LoadResult result = light.constant_rate(rate, milliseconds(1000));
    const LoadResult spun = heavy.finish_requests();
    Bench::check(light, "/ beside /spin/100", server);
    Bench::check(heavy, "/spin/100", server);
    if (spun.answers != 1) throw WorkFailed{"/spin/100 was not answered"};
    bench.note_own_cpu(result);
    all.add(light.latencies());
  }
  bench.results.add(model.name, beside, "p99_ms", all.quantile(0.99) / 1e6);
  bench.results.add(model.name, beside, "p50_ms", all.quantile(0.5) / 1e6);
  light.leave();
  heavy.leave();
  Bench::stop(server);
}

void measure_full(Bench& bench, const BenchModel& model) {
  Contender server = bench.start(model);
  LoadLoop loop;
  ClientGroup clients(loop, server.port);
  clients.ask("/spin/" + with_digits(spin, 0));
  clients.connect(model.most_clients == 1 ? 1 : heavy_clients);
  Bench::check(clients, "/spin", server);
  const LoadResult result = clients.closed_loop(bench.choose(milliseconds(250), milliseconds(600)));
  Bench::check(clients, "/spin", server);
  bench.results.add(model.name, spin, "spins_per_second", result.per_second());
  clients.leave();
  Bench::stop(server);
}

void run(Bench& bench) {
  bench.interleave(many_client_models(), [&](std::size_t, const BenchModel& model) {
    bench.attempt(model, beside, [&] { measure_light(bench, model); });
  });
  std::vector<BenchModel> all = many_client_models();
  all.insert(all.begin(), one_at_a_time_model());
  bench.interleave(all, [&](std::size_t, const BenchModel& model) {
    bench.attempt(model, spin, [&] { measure_full(bench, model); });
  });
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
      const auto value = results.find(model, x, metric);
      return value ? format(*value) : std::string("-");
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
  const bool no_faster = *loop_full < 1.1 * *one_full;
  bench.verdict(stalls && no_faster,
                std::string(stalls ? "One computation of 100 ms a second puts the loop's p99 above "
                                     "50 ms and leaves the threads' below. "
                                   : "The loop's p99 and the threads' do not part at 50 ms. ") +
                    (no_faster ? "With nothing but computing to do, the loop is no faster than a "
                                 "server that takes one client at a time."
                               : "With nothing but computing to do, the loop is faster than "
                                 "one_at_a_time, which cannot be."));
  bench.numbers("p99: event_loop " + milliseconds_of(*loop) + " ms, thread_per_connection " +
                milliseconds_of(*threads) + " ms. /spin/5 a second: one_at_a_time " +
                plain_number(*one_full) + ", event_loop " + plain_number(*loop_full) +
                ", thread_per_connection " + plain_number(*threads_full) + ", " +
                times(*threads_full / *loop_full) + ", for it has more than one core.");
}

}  // namespace

const BenchExperiment cpu_experiment = {
    "cpu", "A loop hides waiting, not computing: one long computation stalls everybody.", "spin_ms",
    run, report};
