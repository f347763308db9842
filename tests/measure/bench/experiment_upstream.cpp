// upstream — rows per second as more clients ask at once. The backend takes 50 ms for each, however
// many wait: by Little's law n clients get n / 50 ms at most, and a server that waits well comes
// close until its CPU is full.
#include <algorithm>

#include "tests/measure/bench/bench.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/text_table.hpp"

namespace {

constexpr double delay_ms = 50;

// A row costs the server two descriptors: the client's and the backend's.
std::size_t most_rows() {
  return std::min<std::size_t>(10'000, (raise_descriptor_limit() - 100) / 2 / 100 * 100);
}

std::vector<std::size_t> levels(const Bench& bench) {
  std::vector<std::size_t> all{1, 10, 100, 1'000};
  all.push_back(bench.quick() ? std::min<std::size_t>(5'000, most_rows()) : most_rows());
  return all;
}

std::vector<BenchModel> models() {
  std::vector<BenchModel> all = many_client_models();
  all.insert(all.begin(), one_at_a_time_model());
  // Two descriptors for each row: half as many fit into an fd_set.
  for (BenchModel& model : all)
    if (model.name == "select_loop") model.most_clients = 480;
  return all;
}

void climb(Bench& bench, const BenchModel& model) {
  double at = 1;
  std::size_t connected = 0;
  bench.attempt(model, at, [&] {
    Contender backend = start_contender(bench.directory(), "slow_backend",
                                        {"-p", "0", "-t", "600", "-d", with_digits(delay_ms, 0)});
    Contender server = bench.start(model, {"-b", std::to_string(backend.port)});
    LoadLoop loop;
    ClientGroup clients(loop, server.port);
    clients.patience(std::chrono::seconds(10));
    try {
      for (const std::size_t level : levels(bench)) {
        if (model.most_clients > 0 && level > model.most_clients) break;
        at = static_cast<double>(level);
        clients.ask("/");
        clients.connect(level - connected);
        connected = level;
        Bench::check(clients, "connecting", server);
        clients.ask("/row");
        // Whole rounds, for everybody's answers come in waves, one each 50 ms; and few where
        // the CPU is full and a round takes longer.
        const std::size_t rounds =
            level > 1'000 ? bench.choose<std::size_t>(1, 2) : bench.choose<std::size_t>(5, 10);
        const LoadResult result = clients.closed_loop_requests(level * rounds);
        Bench::check(clients, "/row", server);
        bench.note_own_cpu(result);
        bench.results.add(model.name, at, "per_second", result.per_second());
        bench.results.add(model.name, at, "p50_ms", clients.latencies().quantile(0.5) / 1e6);
        bench.results.add(model.name, at, "of_the_law",
                          result.per_second() / (at / delay_ms * 1000));
      }
    } catch (const WorkFailed& failure) {
      return bench.results.fail(model.name, at, failure.reason);
    }
    clients.leave();
    Bench::stop(server);
  });
}

void run(Bench& bench) {
  const auto all = models();
  bench.interleave(all, [&](std::size_t, const BenchModel& model) { climb(bench, model); });
  for (const std::size_t level : levels(bench))
    bench.results.add("Little's law", static_cast<double>(level), "per_second",
                      static_cast<double>(level) / delay_ms * 1000);
  if (most_rows() < 10'000)
    bench.note("at most " + with_commas(most_rows()) +
               " clients at once: each row takes two descriptors of the server's " +
               with_commas(raise_descriptor_limit()));
  bench.note("two cores are shared by the server, the backend and the clients");
}

void report(Bench& bench) {
  const Results& results = bench.results;
  bench.print("Rows per second:\n" + results.table("per_second", plain_number));
  bench.print("Share of what Little's law allows:\n" + results.table("of_the_law", in_percent));
  std::vector<Bar> bars;
  for (const double level : results.points("per_second")) {
    for (const char* model : {"Little's law", "thread_per_connection", "event_loop"})
      if (const auto value = results.find(model, level, "per_second"))
        bars.push_back(
            {std::string(model) + " " + plain_number(level), *value, plain_number(*value) + "/s"});
  }
  bench.print("By the number of clients, each column of the bars a fixed factor:\n" +
              draw_bars(bars, true));

  const auto one = results.find("one_at_a_time", 1, "per_second");
  const auto loop = results.find("event_loop", 100, "of_the_law");
  const auto threads = results.find("thread_per_connection", 100, "of_the_law");
  const auto thousand = results.find("event_loop", 1'000, "per_second");
  if (!one || !loop || !threads || !thousand) return bench.verdict_impossible("a server failed.");
  const bool holds = *loop > 0.7 && *threads > 0.7 && *thousand > 100 * *one;
  bench.verdict(holds, holds ? "Up to 100 clients, threads and loops alike reach more than seven "
                               "tenths of what the law allows; one loop with 1,000 clients asks "
                               "for more than 100 times as many rows as a server that waits for "
                               "one at a time."
                             : "Not everybody reached seven tenths of the law with 100 clients, or "
                               "100 times one_at_a_time with 1,000.");
  double best_loop = 0;
  double best_threads = 0;
  for (const double level : results.points("per_second")) {
    best_loop = std::max(best_loop, results.find("event_loop", level, "per_second").value_or(0));
    best_threads = std::max(best_threads,
                            results.find("thread_per_connection", level, "per_second").value_or(0));
  }
  bench.numbers("one_at_a_time: " + plain_number(*one) +
                " rows a second. At the best: event_loop " + plain_number(best_loop) +
                ", thread_per_connection " + plain_number(best_threads) +
                "; there the CPU is full, and the law allows more.");
}

}  // namespace

const BenchExperiment upstream_experiment = {
    "upstream", "Throughput on a slow backend comes from waiting for many at once.",
    "active_clients", run, report};
