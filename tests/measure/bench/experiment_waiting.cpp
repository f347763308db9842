// waiting — what a server does while it answers a request for a row: nothing, mostly.
//
// 16 clients ask for five rows a second each, as a busy page might. The time of one connection is
// split in three: from an answer to the next request the server waits for the client; from a
// request to its answer it computes (its CPU time, from the kernel) or waits for the backend.
#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr double clients = 16;
constexpr double rows_per_client = 5;  // a second
constexpr double cycle = 1e9 / rows_per_client;
constexpr unsigned delays[] = {0, 1, 5, 20, 100};

std::vector<ServerPlan> models() {
  return plans(thread_per_connection | event_loop);
}

void measure(BenchRun& bench, ServerAtWork& server) {
  const ActivityReading before = server.activity();
  const auto slice = bench.choose(milliseconds(400), milliseconds(1000));
  const LoadResult result = server.clients.constant_rate(clients * rows_per_client, slice);
  server.check("/row");
  const ActivityReading after = server.activity();
  bench.note_own_cpu(result);
  const double took = server.clients.latencies().mean();
  bench.add(server, "row_ms", took / 1e6);
  if (!before.cpu_nanoseconds || !after.cpu_nanoseconds) return;
  const double computing = static_cast<double>(*after.cpu_nanoseconds - *before.cpu_nanoseconds) /
                           static_cast<double>(result.all_responses);
  bench.add(server, "computing_us", computing / 1e3);
  bench.add(server, "backend_ms", (took - computing) / 1e6);
  bench.add(server, "client_ms", (cycle - took) / 1e6);
  bench.add(server, "waiting_of_row", 1 - computing / took);
  bench.add(server, "waiting_of_all", 1 - computing / cycle);
}

// A backend for each delay, and for each backend a server of each model.
void run(BenchRun& bench) {
  std::vector<Server> backends;
  Lineup lineup(bench);
  for (const unsigned delay : delays) {
    backends.push_back(start_backend(bench.directory(), delay));
    for (const ServerPlan& plan : models())
      lineup.enter(plan, delay, {"-b", std::to_string(backends.back().port)});
  }
  lineup.for_each(0, [](ServerAtWork& server) {
    server.clients.ask("/row");
    server.hold(static_cast<std::size_t>(clients));
  });
  lineup.take_turns(0, bench.repeats(), [&](ServerAtWork& server) { measure(bench, server); });
  lineup.stop();
  bench.note(
      "a row takes from when it should have been asked for until its answer is with the client; "
      "computing is the server's CPU time. The two waits are what is left: for the backend, a row "
      "less computing, so the way to the client and back and every wait for a CPU are in it; for "
      "the client, the " +
      with_digits(cycle / 1e6, 0) + " ms between two requests less a row");
}

void report(BenchRun& bench) {
  const Results& results = bench.results;
  bench.print_table("A connection that asks for 5 rows a second waits for its client, ms",
                    "client_ms", one_digit);
  bench.print_table("It waits for the backend, ms", "backend_ms", two_digits);
  bench.print_table("It computes, microseconds", "computing_us", one_digit);
  bench.print_table("Waiting, of a row's time", "waiting_of_row", in_percent);
  bench.print_table("Waiting, of all time", "waiting_of_all", in_percent);

  bool all = true;
  for (const ServerPlan& plan : models())
    for (const double delay : {20.0, 100.0})
      all = all && results.at(plan.name, delay, "waiting_of_row") >= 0.95;
  bench.verdict(all,
                all ? "With a backend that takes 20 ms or more, a server spends more than 95% of a "
                      "row's time waiting for it, whichever way it waits."
                    : "With a backend that takes 20 ms or more, one of the servers spent less than "
                      "95% of a row's time waiting for it.");
}

}  // namespace

extern const BenchExperiment waiting_experiment = {
    "waiting",  "A server spends 95% of a request's time waiting for somebody else.",
    "delay_ms", {14, 73},
    run,        report};
