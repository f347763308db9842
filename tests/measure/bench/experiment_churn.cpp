// churn — a new connection for each request: what accepting costs, and what a thread's birth costs.
//
// The same server is asked the same thing over kept connections and over new ones. What a new
// connection adds to a loop's CPU time is accept and close; what it adds to thread_per_connection
// beyond that is a thread's life.
#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr std::size_t client_count = 64;
constexpr double kept = 0;
constexpr double fresh = 1;

// Two servers of each model: one with clients who stay, one with clients who come and go.
void run(BenchRun& bench) {
  Lineup lineup(bench);
  for (const double x : {kept, fresh})
    for (const ServerPlan& plan : plans(concurrent)) lineup.enter(plan, x);
  lineup.for_each(client_count, [](ServerAtWork& server) {
    if (server.x == fresh) server.clients.new_connection_each();
    server.hold(client_count);
  });
  // The CPU time of threads that have ended is told in ticks of 10 ms: a slice takes many of them.
  const auto slice = bench.choose(milliseconds(300), milliseconds(500));
  lineup.take_turns(client_count, bench.repeats(), [&](ServerAtWork& server) {
    bench.add_slice(server, slice, read_cpu_with_ended_threads);
  });
  lineup.stop();
  bench.note("CPU time is told in ticks of 10 ms, for threads that have ended; 64 clients");
}

void report(BenchRun& bench) {
  Results& results = bench.results;
  // What a new connection adds, in microseconds of the server's CPU.
  for (const std::string& model : results.models()) {
    const auto with = results.find(model, fresh, "cpu_us");
    const auto without = results.find(model, kept, "cpu_us");
    if (with && without) results.add(model, fresh, "added_cpu_us", *with - *without);
  }
  bench.print(results.table_of({{"kept:\n/second", kept, "per_second", plain_number},
                                {"kept:\nCPU us", kept, "cpu_us", one_digit},
                                {"new each:\n/second", fresh, "per_second", plain_number},
                                {"new each:\nCPU us", fresh, "cpu_us", one_digit},
                                {"a connection\nadds, CPU us", fresh, "added_cpu_us", one_digit}}));

  const double threads = results.at("thread_per_connection", fresh, "added_cpu_us");
  const double loop = results.at("event_loop", fresh, "added_cpu_us");
  const double loop_kept = results.at("event_loop", kept, "cpu_us");
  const bool costly = loop > loop_kept;
  const bool thread_costs = threads > 1.3 * loop;
  bench.verdict(costly && thread_costs,
                std::string("A new connection costs a loop ") + (costly ? "more" : "less") +
                    " CPU than the request that it brings, and a thread for it costs " +
                    (thread_costs ? "clearly more." : "hardly more."));
}

}  // namespace

extern const BenchExperiment churn_experiment = {
    "churn",
    "A connection costs more than a request, and a thread for each makes it worse.",
    "new_connection_each",
    {12, 40},
    run,
    report};
