// idle — what the silent clients cost the others: 64 active ones, while more and more are held.
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr std::size_t active_clients = 64;
constexpr double rate = 2000;  // a second, for the latencies

std::size_t most_idle() {
  return allowed_clients(50'000, active_clients + 200).clients;
}

std::vector<std::size_t> steps(const Bench& bench) {
  if (bench.quick()) return {0, 1'000, 10'000};
  return {0, 100, 1'000, 10'000, most_idle()};
}

void measure_active(Bench& bench, const BenchModel& model, double idle, Contender& server,
                    ClientGroup& active) {
  const LoadResult full = active.closed_loop(bench.choose(milliseconds(120), milliseconds(200)));
  Bench::check(active, "/", server);
  bench.note_own_cpu(full);
  bench.results.add(model.name, idle, "per_second", full.per_second());
  active.constant_rate(rate, bench.choose(milliseconds(300), milliseconds(500)));
  Bench::check(active, "/ at a constant rate", server);
  const Histogram& latencies = active.latencies();
  bench.results.add(model.name, idle, "p50_us", latencies.quantile(0.5) / 1e3);
  bench.results.add(model.name, idle, "p99_us", latencies.quantile(0.99) / 1e3);
  bench.results.add(model.name, idle, "p999_us", latencies.quantile(0.999) / 1e3);
}

void hold(Bench& bench, const BenchModel& model) {
  std::size_t held = 0;
  double at = 0;
  const std::size_t most = most_idle();
  bench.attempt(model, 0, [&] {
    Contender server = bench.start(model);
    LoadLoop loop;
    ClientGroup active(loop, server.port);
    ClientGroup idle(loop, server.port);
    try {
      active.connect(active_clients);
      for (const std::size_t step : steps(bench)) {
        if (step > most || (model.most_clients > 0 && step + active_clients > model.most_clients))
          break;
        at = static_cast<double>(step);
        if (step > held) idle.connect(step - held);
        held = step;
        Bench::check(idle, "holding idle clients", server);
        measure_active(bench, model, at, server, active);
        Bench::check(idle, "holding idle clients", server);
      }
    } catch (const WorkFailed& failure) {
      return bench.results.fail(model.name, at, failure.reason);
    }
    active.leave();
    idle.leave();
    Bench::stop(server);
  });
}

void run(Bench& bench) {
  const Allowance allowance = allowed_clients(50'000, active_clients + 200);
  if (!allowance.limit.empty())
    bench.note("at most " + with_commas(allowance.clients) + " idle clients, because of " +
               allowance.limit);
  bench.note("latency at " + with_digits(rate, 0) +
             " requests a second, from when each should have been sent; quantiles within 0.4%");
  bench.note("select_loop: an fd_set has no room for descriptors of 1,024 or more");
  bench.interleave(many_client_models(),
                   [&](std::size_t, const BenchModel& model) { hold(bench, model); });
}

void report(Bench& bench) {
  const Results& results = bench.results;
  bench.print("Requests per second:\n" + results.table("per_second", plain_number));
  const auto milliseconds_of = [](double microseconds) {
    return milliseconds_only(microseconds * 1e3);
  };
  bench.print("p50, ms:\n" + results.table("p50_us", milliseconds_of));
  bench.print("p99, ms:\n" + results.table("p99_us", milliseconds_of));
  bench.print("p99.9, ms:\n" + results.table("p999_us", milliseconds_of));
  std::vector<Bar> bars;
  double most = 0;
  for (const double idle : results.points("per_second")) most = idle <= 10'000 ? idle : most;
  for (const std::string& model : results.models())
    if (const auto value = results.find(model, most, "per_second"))
      bars.push_back({model, *value, plain_number(*value) + "/s"});
  bench.print("Requests per second beside " + plain_number(most) + " idle clients:\n" +
              draw_bars(bars));

  const auto share = [&](const std::string& model) -> std::optional<double> {
    const auto with = results.find(model, most, "per_second");
    const auto without = results.find(model, 0, "per_second");
    if (!with || !without) return std::nullopt;
    return *with / *without;
  };
  const auto poll = share("poll_loop");
  const auto told = share("event_loop");
  const auto threads = share("thread_per_connection");
  if (!poll || !told || most < 1000)
    return bench.verdict_impossible("a server failed, or fewer than 1,000 clients are allowed.");
  const bool holds = *poll < 0.5 && *told > 0.8;
  bench.verdict(holds, std::string("Beside ") + plain_number(most) + " idle clients poll_loop " +
                           (*poll < 0.5 ? "loses more than half of its throughput"
                                        : "keeps more than half of its throughput") +
                           ", event_loop " +
                           (*told > 0.8 ? "keeps more than four fifths of its own."
                                        : "loses more than a fifth of its own."));
  bench.numbers(
      "Throughput left: event_loop " + in_percent(*told) + ", poll_loop " + in_percent(*poll) +
      (threads ? ", thread_per_connection " + in_percent(*threads) : std::string()) + ".");
}

}  // namespace

const BenchExperiment idle_experiment = {
    "idle", "Idle clients slow down whoever must ask about all of them, and nobody else.",
    "idle_clients", run, report};
