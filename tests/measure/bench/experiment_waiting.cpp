// waiting — what a server does while it answers a request for a row: nothing, mostly.
//
// 16 clients ask for five rows a second each, as a busy page might. The time of one connection is
// split in three: from an answer to the next request the server waits for the client; from a
// request to its answer it computes (its CPU time, from the kernel) or waits for the backend.
#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/lineup.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr double clients = 16;
constexpr double rows_per_client = 5;  // a second
constexpr double cycle = 1e9 / rows_per_client;
constexpr double delays[] = {0, 1, 5, 20, 100};

const std::vector<BenchModel>& models() {
  static const std::vector<BenchModel> chosen = {many_client_models()[0], many_client_models()[3]};
  return chosen;
}

milliseconds slice(const Bench& bench) {
  return bench.choose(milliseconds(400), milliseconds(1000));
}

// The last row of a slice comes after the delay.
double seconds(const Bench& bench) {
  double sum = 1;
  for (const double delay : delays)
    sum += static_cast<double>(models().size() * bench.repeats()) *
           (in_seconds(slice(bench)) + delay / 1000 + 0.01);
  return sum;
}

void measure(Bench& bench, Runner& runner) {
  const ActivityReading before = read_activity(runner.server.process.pid());
  const LoadResult result = runner.clients.constant_rate(clients * rows_per_client, slice(bench));
  Bench::check(runner.clients, "/row", runner.server);
  const ActivityReading after = read_activity(runner.server.process.pid());
  bench.note_own_cpu(result);
  const auto add = [&](const char* metric, double value) {
    bench.results.add(runner.model.name, runner.x, metric, value);
  };
  const double took = runner.clients.latencies().mean();
  add("row_ms", took / 1e6);
  if (!before.cpu_nanoseconds || !after.cpu_nanoseconds) return;
  const double computing = static_cast<double>(*after.cpu_nanoseconds - *before.cpu_nanoseconds) /
                           static_cast<double>(result.all_answers);
  add("computing_us", computing / 1e3);
  add("backend_ms", (took - computing) / 1e6);
  add("client_ms", (cycle - took) / 1e6);
  add("waiting_of_row", 1 - computing / took);
  add("waiting_of_all", 1 - computing / cycle);
}

// A backend for each delay, and for each backend a server of each model.
void run(Bench& bench) {
  std::vector<Contender> backends;
  Lineup lineup(bench);
  for (const double delay : delays) {
    backends.push_back(start_contender(bench.directory(), "slow_backend",
                                       {"-p", "0", "-t", "600", "-d", with_digits(delay, 0)}));
    const std::string port = std::to_string(backends.back().port);
    for (const BenchModel& model : models())
      lineup.enter(model, delay, [&] { return bench.start(model, {"-b", port}); });
  }
  lineup.for_each(0, [](Runner& runner) {
    runner.clients.ask("/row");
    runner.clients.connect(static_cast<std::size_t>(clients));
    Bench::check(runner.clients, "/row", runner.server);
  });
  lineup.take_turns(0, [&](Runner& runner) { measure(bench, runner); });
  lineup.stop();
  bench.note(
      "a row takes from when it should have been asked for until its answer is with the client; "
      "computing is the server's CPU time. The two waits are what is left: for the backend, a row "
      "less computing, so the way to the client and back and every wait for a CPU are in it; for "
      "the client, the " +
      with_digits(cycle / 1e6, 0) + " ms between two requests less a row");
}

void report(Bench& bench) {
  const Results& results = bench.results;
  for (const BenchModel& model : models()) {
    bench.print(model.name + ", of a connection that asks for " + with_digits(rows_per_client, 0) +
                " rows a second:\n");
    TextTable table({"delay\nms", "waits for\nclient, ms", "waits for\nbackend, ms", "computes\nms",
                     "waiting, of\na row's time", "waiting,\nof all time"});
    for (const double delay : delays) {
      const auto at = [&](const char* metric) { return results.find(model.name, delay, metric); };
      if (results.failed(model.name, delay)) {
        table.add_across(with_digits(delay, 0), "FAILED: see below");
      } else if (const auto computing = at("computing_us")) {
        table.add({with_digits(delay, 0), with_digits(*at("client_ms"), 1),
                   with_digits(*at("backend_ms"), 2), with_digits(*computing / 1e3, 3),
                   in_percent(*at("waiting_of_row")), in_percent(*at("waiting_of_all"))});
      }
    }
    bench.print(table.text());
  }
  std::vector<Bar> bars;
  for (const double delay : delays)
    if (const auto share = results.find("event_loop", delay, "waiting_of_row"))
      bars.push_back({with_digits(delay, 0) + " ms", *share, in_percent(*share)});
  bench.print("event_loop: share of a row's time that is waiting, by the backend's delay\n" +
              draw_bars(bars));

  bool all = true;
  bool known = false;
  for (const BenchModel& model : models()) {
    for (const double delay : {20.0, 100.0}) {
      const auto share = results.find(model.name, delay, "waiting_of_row");
      known = known || share;
      all = all && share && *share >= 0.95;
    }
  }
  if (!known) return bench.verdict_impossible("this system does not tell a process's CPU time.");
  bench.verdict(all,
                all ? "With a backend that takes 20 ms or more, a server spends more than 95% of a "
                      "row's time waiting for it, whichever way it waits."
                    : "With a backend that takes 20 ms or more, one of the servers spent less than "
                      "95% of a row's time waiting for it.");
  const auto at_zero = results.find("event_loop", 0, "waiting_of_row");
  const auto at_twenty = results.find("event_loop", 20, "waiting_of_row");
  const auto computing = results.find("event_loop", 20, "computing_us");
  if (at_zero && at_twenty && computing)
    bench.numbers("event_loop computes " + with_digits(*computing, 0) +
                  " microseconds for a row. At 20 ms of delay " + in_percent(*at_twenty) +
                  " of a row's time is waiting; with a backend without any delay, " +
                  in_percent(*at_zero) + ".");
}

}  // namespace

const BenchExperiment waiting_experiment = {
    "waiting",  "A server spends 95% of a request's time waiting for somebody else.",
    "delay_ms", "event_loop",
    run,        report,
    seconds};
