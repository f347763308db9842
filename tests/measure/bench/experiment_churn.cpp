// churn — a new connection for each request: what accepting costs, and what a thread's birth costs.
//
// The same server is asked the same thing over kept connections and over new ones. What a new
// connection adds to a loop's CPU time is accept and close; what it adds to thread_per_connection
// beyond that is a thread's life.
#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/lineup.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr std::size_t client_count = 64;
constexpr double kept = 0;
constexpr double fresh = 1;

// The CPU time of threads that have ended is told in ticks of 10 ms, so a slice takes many of them.
milliseconds slice(const Bench& bench) {
  return bench.choose(milliseconds(300), milliseconds(500));
}

double seconds(const Bench& bench) {
  return static_cast<double>(2 * many_client_models().size() * bench.repeats()) *
             (in_seconds(slice(bench)) + 0.06) +
         1;
}

void measure(Bench& bench, Runner& runner) {
  const auto before = read_cpu_with_ended_threads(runner.server.process.pid());
  const LoadResult result = runner.clients.closed_loop(slice(bench));
  const auto after = read_cpu_with_ended_threads(runner.server.process.pid());
  Bench::check(runner.clients, runner.x == fresh ? "/ over new connections" : "/", runner.server);
  bench.add_rate(runner.model.name, runner.x, result);
  if (before && after)
    bench.results.add(
        runner.model.name, runner.x, "cpu_us",
        static_cast<double>(*after - *before) / 1e3 / static_cast<double>(result.all_answers));
}

// Two servers of each model: one with clients who stay, one with clients who come and go.
void run(Bench& bench) {
  Lineup lineup(bench);
  for (const double x : {kept, fresh})
    for (const BenchModel& model : many_client_models())
      lineup.enter(model, x, [&] { return bench.start(model); });
  lineup.for_each(client_count, [](Runner& runner) {
    if (runner.x == fresh) runner.clients.new_connection_each();
    runner.clients.connect(client_count);
    Bench::check(runner.clients, "connecting", runner.server);
  });
  lineup.take_turns(client_count, [&](Runner& runner) { measure(bench, runner); });
  lineup.stop();
  bench.note("CPU time is told in ticks of 10 ms, for threads that have ended; 64 clients");
}

// What a new connection adds, in microseconds of the server's CPU.
std::optional<double> added(const Results& results, const std::string& model) {
  const auto with = results.find(model, fresh, "cpu_us");
  const auto without = results.find(model, kept, "cpu_us");
  if (!with || !without) return std::nullopt;
  return *with - *without;
}

void report(Bench& bench) {
  const Results& results = bench.results;
  TextTable table({"", "kept:\n/second", "kept:\nCPU us", "new each:\n/second", "new each:\nCPU us",
                   "a connection\nadds, CPU us"});
  std::vector<Bar> bars;
  for (const std::string& model : results.models()) {
    if (results.failed(model, kept) || results.failed(model, fresh)) {
      table.add_across(model, "FAILED: see below");
      continue;
    }
    const auto cell = [&](double x, const char* metric, const NumberFormat& format) {
      return results.cell(model, x, metric, format);
    };
    const auto one = [](double value) { return with_digits(value, 1); };
    const auto more = added(results, model);
    table.add({model, cell(kept, "per_second", plain_number), cell(kept, "cpu_us", one),
               cell(fresh, "per_second", plain_number), cell(fresh, "cpu_us", one),
               more ? one(*more) : "-"});
    if (more) bars.push_back({model, *more, one(*more) + " us"});
  }
  bench.print(table.text());
  if (!bars.empty())
    bench.print("CPU time that a new connection adds to a request:\n" + draw_bars(bars));

  const auto threads = added(results, "thread_per_connection");
  const auto loop = added(results, "event_loop");
  const auto loop_kept = results.find("event_loop", kept, "cpu_us");
  if (!threads || !loop || !loop_kept)
    return bench.verdict_impossible(
        "this system does not tell a process's CPU time, or a server failed.");
  const bool costly = *loop > *loop_kept;
  const bool thread_costs = *threads > 1.3 * *loop;
  bench.verdict(costly && thread_costs,
                std::string(costly ? "A new connection costs a loop more CPU than the request "
                                     "that it brings"
                                   : "A new connection costs a loop less CPU than the request that "
                                     "it brings") +
                    (thread_costs ? ", and a thread for it costs clearly more."
                                  : ", and a thread for it costs hardly more."));
  bench.numbers("event_loop: " + with_digits(*loop_kept, 1) + " microseconds for a request, " +
                with_digits(*loop, 1) + " more for its connection. thread_per_connection: " +
                with_digits(*threads, 1) + " more, so a thread's birth and death cost about " +
                with_digits(*threads - *loop, 1) + ".");
}

}  // namespace

const BenchExperiment churn_experiment = {
    "churn",
    "A connection costs more than a request, and a thread for each makes it worse.",
    "new_connection_each",
    "event_loop",
    run,
    report,
    seconds};
