// switches — what the kernel does for one request: context switches, system calls, CPU time.
#include <algorithm>

#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/counted.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr std::size_t levels[] = {1, 64, 1'000};

void measure(BenchRun& bench, ServerAtWork& server) {
  const ActivityReading before = server.activity();
  const LoadResult result = server.clients.closed_loop(slice_for(server.clients.clients()));
  const ActivityReading after = server.activity();
  server.check("/");
  bench.add_rate(server, result);
  if (!before.switches || !after.switches) return;
  const auto each = [&](std::uint64_t one, std::uint64_t other) {
    return static_cast<double>(other - one) / static_cast<double>(result.all_responses);
  };
  const double forced = each(*before.forced_switches, *after.forced_switches);
  bench.add(server, "involuntary_switches", forced);
  bench.add(server, "voluntary_switches", each(*before.switches, *after.switches) - forced);
  bench.add(server, "cpu_us", each(*before.cpu_nanoseconds, *after.cpu_nanoseconds) / 1e3);
}

// Counted by strace, which slows everything down: in turns of their own.
void count(BenchRun& bench, ServerAtWork& server, std::size_t level) {
  // A quick run counts each server once, with 64 clients if it can hold them.
  if (bench.quick() && level != (server.most_clients == 1 ? 1 : 64)) return;
  const CallCount counted =
      count_calls(server.process.pid(), server.clients, std::max<std::size_t>(level * 2, 500));
  server.check("/ under strace");
  if (counted.calls == 0) throw WorkFailed{counted.problem};
  bench.add(server, "system_calls",
            static_cast<double>(counted.calls) / static_cast<double>(counted.responses));
}

void run(BenchRun& bench) {
  const bool counting = !find_on_path("strace").empty();
  bench.note(counting ? "system calls are counted by strace, in turns of their own"
                      : "strace is not installed, so no calls are counted (Debian: strace)");
  Lineup lineup(bench);
  lineup.enter(plans(servers));
  // Many short slices: that is what a shared machine disturbs least.
  const auto repeats = bench.choose<std::size_t>(5, 3 * bench.repeats());
  for (const std::size_t level : levels) {
    lineup.go_to(static_cast<double>(level));
    lineup.for_each(level, [&](ServerAtWork& server) { server.hold(level); });
    lineup.take_turns(level, repeats, [&](ServerAtWork& server) { measure(bench, server); });
    if (counting)
      lineup.take_turns(level, bench.choose<std::size_t>(1, 5),
                        [&](ServerAtWork& server) { count(bench, server, level); });
  }
  lineup.stop();
}

void report(BenchRun& bench) {
  const Results& results = bench.results;
  const auto two = two_digits;
  for (const std::size_t level : levels) {
    const auto x = static_cast<double>(level);
    bench.print("For one request, " + with_commas(level) +
                (level == 1 ? " client:\n" : " active clients:\n") +
                results.table_of({{"switches\nasked for", x, "voluntary_switches", two},
                                  {"switches\nforced", x, "involuntary_switches", two},
                                  {"system\ncalls", x, "system_calls", two},
                                  {"CPU\nmicroseconds", x, "cpu_us", two},
                                  {"answers\n/second", x, "per_second", plain_number}}));
  }

  const double threads = results.at("thread_per_connection", 64, "voluntary_switches");
  const double loop = results.at("event_loop", 64, "voluntary_switches");
  const bool holds = threads > 0.5 && loop < 0.25;
  bench.verdict(holds, holds ? "With 64 busy clients a thread is put to sleep for more than every "
                               "other request; a loop finds the next client ready and seldom "
                               "sleeps."
                             : "The two shapes do not differ as claimed with 64 clients.");
}

}  // namespace

extern const BenchExperiment switches_experiment = {
    "switches",
    "A thread that waits costs a context switch; a loop that is busy costs none.",
    "active_clients",
    {15, 72},
    run,
    report};
