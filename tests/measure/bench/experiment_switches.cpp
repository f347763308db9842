// switches — what the kernel does for one request: context switches, system calls, CPU time.
#include <algorithm>

#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/lineup.hpp"
#include "tests/measure/counted.hpp"
#include "tests/measure/slices.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr std::size_t levels[] = {1, 64, 1'000};

std::vector<BenchModel> models() {
  std::vector<BenchModel> all = many_client_models();
  all.insert(all.begin(), one_at_a_time_model());
  return all;
}

bool can_hold(const BenchModel& model, std::size_t clients) {
  return model.most_clients == 0 || clients <= model.most_clients;
}

// Many short slices: that is what a shared machine disturbs least.
std::size_t repeats(const Bench& bench) {
  return bench.choose<std::size_t>(5, 3 * bench.repeats());
}

// Every model at each level that it can hold, once.
double seconds_of_turns() {
  double all = 0;
  for (const BenchModel& model : models())
    for (const std::size_t level : levels)
      all += can_hold(model, level) ? in_seconds(slice_for(level)) + 0.03 : 0;
  return all;
}

bool counts(const Bench& bench, const BenchModel& model, std::size_t level) {
  return !bench.quick() || level == 64 || (level == 1 && model.most_clients == 1);
}

double seconds(const Bench& bench) {
  const double strace = is_installed("strace") ? bench.choose(4, 20) : 0;
  return seconds_of_turns() * static_cast<double>(repeats(bench)) + strace + 2;
}

void measure(Bench& bench, Runner& runner) {
  const ActivityReading before = read_activity(runner.server.process.pid());
  const LoadResult result = runner.clients.closed_loop(slice_for(runner.clients.clients()));
  const ActivityReading after = read_activity(runner.server.process.pid());
  Bench::check(runner.clients, "/", runner.server);
  const auto add = [&](const char* metric, double value) {
    bench.results.add(runner.model.name, runner.x, metric, value);
  };
  bench.add_rate(runner.model.name, runner.x, result);
  if (!before.switches || !after.switches) return;
  const auto each = [&](std::uint64_t one, std::uint64_t other) {
    return static_cast<double>(other - one) / static_cast<double>(result.all_answers);
  };
  const double forced = each(*before.forced_switches, *after.forced_switches);
  add("involuntary_switches", forced);
  add("voluntary_switches", each(*before.switches, *after.switches) - forced);
  add("cpu_us", each(*before.cpu_nanoseconds, *after.cpu_nanoseconds) / 1e3);
}

// Counted by strace, which slows everything down: in turns of their own.
void count(Bench& bench, Runner& runner, std::size_t level) {
  const CallCount counted = count_calls(runner.server.process.pid(), runner.clients,
                                        std::max<std::size_t>(level * 2, 500));
  Bench::check(runner.clients, "/ under strace", runner.server);
  if (counted.calls == 0) throw WorkFailed{counted.problem};
  bench.results.add(runner.model.name, runner.x, "system_calls",
                    static_cast<double>(counted.calls) / static_cast<double>(counted.answers));
}

void run(Bench& bench) {
  const bool counting = is_installed("strace");
  bench.note(counting ? "system calls are counted by strace, in turns of their own"
                      : "strace is not installed, so no calls are counted (Debian: strace)");
  Lineup lineup(bench);
  lineup.enter(models());
  for (const std::size_t level : levels) {
    lineup.go_to(static_cast<double>(level));
    lineup.for_each(level, [&](Runner& runner) {
      runner.clients.connect(level - runner.clients.clients());
      Bench::check(runner.clients, "connecting", runner.server);
    });
    lineup.take_turns(level, repeats(bench), [&](Runner& runner) { measure(bench, runner); });
    lineup.take_turns(level, bench.choose<std::size_t>(1, 5), [&](Runner& runner) {
      if (counting && counts(bench, runner.model, level)) count(bench, runner, level);
    });
  }
  lineup.stop();
}

void report(Bench& bench) {
  const Results& results = bench.results;
  const auto two = [](double value) { return with_digits(value, 2); };
  for (const std::size_t level : levels)
    bench.print("For one request, " + with_commas(level) +
                (level == 1 ? " client:\n" : " active clients:\n") +
                results.table_at(static_cast<double>(level),
                                 {{"switches\nasked for", "voluntary_switches", two},
                                  {"switches\nforced", "involuntary_switches", two},
                                  {"system\ncalls", "system_calls", two},
                                  {"CPU\nmicroseconds", "cpu_us", two},
                                  {"answers\n/second", "per_second", plain_number}}));
  std::vector<Bar> bars;
  for (const std::string& model : results.models())
    if (const auto value = results.find(model, 64, "voluntary_switches"))
      bars.push_back({model, *value, two(*value)});
  if (!bars.empty())
    bench.print("Switches asked for, for one request of 64 clients:\n" + draw_bars(bars));

  const auto threads = results.find("thread_per_connection", 64, "voluntary_switches");
  const auto loop = results.find("event_loop", 64, "voluntary_switches");
  const auto thread_cpu = results.find("thread_per_connection", 64, "cpu_us");
  const auto loop_cpu = results.find("event_loop", 64, "cpu_us");
  if (!threads || !loop || !thread_cpu || !loop_cpu)
    return bench.verdict_impossible(
        "this system does not tell a running process's switches, or a server failed.");
  const bool holds = *threads > 0.5 && *loop < 0.25;
  bench.verdict(holds, holds ? "With 64 busy clients a thread is put to sleep for more than every "
                               "other request; a loop finds the next client ready and seldom "
                               "sleeps."
                             : "The two shapes do not differ as claimed with 64 clients.");
  bench.numbers("Switches for one request: thread_per_connection " + two(*threads) +
                ", event_loop " + with_digits(*loop, 3) + ". CPU: " + two(*thread_cpu) + " to " +
                two(*loop_cpu) + " microseconds, " + times(*thread_cpu / *loop_cpu) + ".");
  const auto one_thread = results.find("thread_per_connection", 1, "voluntary_switches");
  const auto one_loop = results.find("event_loop", 1, "voluntary_switches");
  if (one_thread && one_loop)
    bench.numbers("With one client there is nobody else to serve: " + two(*one_thread) + " and " +
                  two(*one_loop) + " switches asked for.");
}

}  // namespace

const BenchExperiment switches_experiment = {
    "switches",
    "A thread that waits costs a context switch; a loop that is busy costs none.",
    "active_clients",
    "event_loop",
    run,
    report,
    seconds};
