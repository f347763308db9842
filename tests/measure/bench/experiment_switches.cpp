// switches — what the kernel does for one request: context switches, system calls, CPU time.
#include <algorithm>

#include "tests/measure/bench/bench.hpp"
#include "tests/measure/counted.hpp"
#include "tests/measure/process_reading.hpp"
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

void measure(Bench& bench, const BenchModel& model, double level, Contender& server,
             ClientGroup& clients) {
  const ActivityReading before = read_activity(server.process.pid());
  const LoadResult result = clients.closed_loop(bench.choose(milliseconds(150), milliseconds(400)));
  const ActivityReading after = read_activity(server.process.pid());
  Bench::check(clients, "/", server);
  bench.note_own_cpu(result);
  bench.results.add(model.name, level, "per_second", result.per_second());
  if (!before.switches || !after.switches) return;
  const auto each = [&](std::uint64_t one, std::uint64_t other) {
    return static_cast<double>(other - one) / static_cast<double>(result.all_answers);
  };
  const double forced = each(*before.forced_switches, *after.forced_switches);
  bench.results.add(model.name, level, "involuntary_switches", forced);
  bench.results.add(model.name, level, "voluntary_switches",
                    each(*before.switches, *after.switches) - forced);
  bench.results.add(model.name, level, "cpu_us",
                    each(*before.cpu_nanoseconds, *after.cpu_nanoseconds) / 1e3);
}

// Counted by strace, which slows everything down: in runs of their own.
void count(Bench& bench, const BenchModel& model, double level, Contender& server,
           ClientGroup& clients, std::size_t number) {
  const CallCount counted =
      count_calls(server.process.pid(), clients, std::max<std::size_t>(number * 4, 2'000));
  Bench::check(clients, "/ under strace", server);
  if (counted.calls == 0) throw WorkFailed{counted.problem};
  bench.results.add(model.name, level, "system_calls",
                    static_cast<double>(counted.calls) / static_cast<double>(counted.answers));
}

void visit(Bench& bench, const BenchModel& model, std::size_t level, bool counting) {
  if (!can_hold(model, level)) return;
  bench.attempt(model, static_cast<double>(level), [&] {
    Contender server = bench.start(model);
    LoadLoop loop;
    ClientGroup clients(loop, server.port);
    clients.connect(level);
    Bench::check(clients, "connecting", server);
    if (counting)
      count(bench, model, static_cast<double>(level), server, clients, level);
    else
      measure(bench, model, static_cast<double>(level), server, clients);
    clients.leave();
    Bench::stop(server);
  });
}

void run(Bench& bench) {
  const auto all = models();
  for (const std::size_t level : levels)
    bench.interleave(
        all, [&](std::size_t, const BenchModel& model) { visit(bench, model, level, false); });
  if (!is_installed("strace"))
    return bench.note("strace is not installed, so no calls are counted (Debian: strace)");
  bench.note("system calls are counted once, by strace, in a run of their own");
  for (const BenchModel& model : all)
    for (const std::size_t level : levels)
      if (!bench.quick() || level == 64 || (level == 1 && model.most_clients == 1))
        visit(bench, model, level, true);
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
    bench.numbers(
        "With one client there is nobody else to serve, so both sleep after each answer: " +
        two(*one_thread) + " and " + two(*one_loop) + " switches.");
}

}  // namespace

const BenchExperiment switches_experiment = {
    "switches", "A thread that waits costs a context switch; a loop that is busy costs none.",
    "active_clients", run, report};
