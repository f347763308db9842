// cores — more than one CPU: copies of a server on one listener, started by prefork.
//
// Work that computes shows what a second copy brings. Who gets the clients is the kernel's choice:
// the counters of the copies (SIGUSR1) show how uneven it is, and how many copies wake up for one
// client of whom only one will get it.
#include <algorithm>
#include <csignal>
#include <numeric>
#include <sstream>
#include <thread>

#include "common/signals.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/herd.hpp"
#include "tests/measure/bench/lineup.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr std::size_t copies[] = {1, 2, 4};
constexpr std::size_t client_count = 64;
constexpr std::size_t herd_clients = 200;

Contender start_copies(const Bench& bench, std::size_t count) {
  return start_contender(
      bench.directory(), "prefork",
      {"-w", std::to_string(count), "-p", "0", bench.directory() + "/event_loop", "-t", "600"});
}

// How many clients each copy holds: "accepted 12 open 3 requests ...", a line for each copy.
std::vector<double> read_open_clients(Contender& server) {
  std::vector<double> found;
  std::istringstream lines(server.process.error_output());
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string accepted, count, open;
    double clients = 0;
    if (words >> accepted >> count >> open >> clients && open == "open") found.push_back(clients);
  }
  return found;
}

double largest_share(Contender& server, std::size_t count) {
  const std::size_t before = read_open_clients(server).size();
  kill(server.process.pid(), SIGUSR1);
  for (int i = 0; i < 200; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
    std::vector<double> open = read_open_clients(server);
    if (open.size() < before + count) continue;
    open.erase(open.begin(), open.end() - static_cast<std::ptrdiff_t>(count));
    const double all = std::accumulate(open.begin(), open.end(), 0.0);
    return *std::max_element(open.begin(), open.end()) / all;
  }
  throw WorkFailed{"not every copy printed its counters"};
}

milliseconds slice(const Bench& bench) {
  return bench.choose(milliseconds(150), milliseconds(300));
}

double seconds(const Bench& bench) {
  const auto repeats = static_cast<double>(bench.repeats());
  const auto variants = static_cast<double>(std::size(copies));
  // A client of the herd takes a millisecond at most.
  const double herd = static_cast<double>(sharings().size() * herd_clients) * 0.001 + 0.1;
  return repeats * variants * (2 * in_seconds(slice(bench)) + 0.1 + herd) + 2;
}

// The clients come one after the other, each to copies that sleep, and leave after the turn: who
// serves whom is drawn anew each time.
void measure_rates(Bench& bench, Runner& runner) {
  const auto add = [&](const char* metric, double value) {
    bench.results.add(runner.model.name, runner.x, metric, value);
  };
  runner.clients.ask("/");
  for (std::size_t i = 0; i < client_count; ++i) runner.clients.connect(1);
  Bench::check(runner.clients, "connecting", runner.server);
  add("largest_share", largest_share(runner.server, static_cast<std::size_t>(runner.x)));
  LoadResult result = runner.clients.closed_loop(slice(bench));
  Bench::check(runner.clients, "/", runner.server);
  bench.add_rate(runner.model.name, runner.x, result);
  runner.clients.ask("/spin/2");
  result = runner.clients.closed_loop(slice(bench));
  Bench::check(runner.clients, "/spin/2", runner.server);
  bench.note_own_cpu(result);
  add("spins_per_second", result.per_second());
  runner.clients.leave();
}

// Clients come one at a time, each to copies that all sleep.
void measure_herd(Bench& bench, Sharing sharing, std::size_t count) {
  const HerdReport report = watch_herd(sharing, count, herd_clients);
  if (stop_requested()) throw Interrupted();  // which may be all that has gone wrong
  if (!report.problem.empty())
    return bench.results.fail(name_of(sharing), static_cast<double>(count), report.problem);
  bench.results.add(name_of(sharing), static_cast<double>(count), "wakeups_per_client",
                    report.wakeups / report.clients);
  bench.results.add(name_of(sharing), static_cast<double>(count), "herd_largest_share",
                    report.most_accepted / report.clients);
}

const BenchModel& prefork_model() {
  static const BenchModel model = {"prefork event_loop", "prefork", {}, 0};
  return model;
}

void run(Bench& bench) {
  Lineup lineup(bench);
  for (const std::size_t count : copies)
    lineup.enter(prefork_model(), static_cast<double>(count),
                 [&] { return start_copies(bench, count); });
  lineup.take_turns(client_count, [&](Runner& runner) { measure_rates(bench, runner); });
  lineup.stop();
  for (const Sharing sharing : sharings()) bench.results.mention(name_of(sharing));
  for (const std::size_t count : copies)
    bench.interleave(sharings().size(), [&](std::size_t, std::size_t i) {
      measure_herd(bench, sharings()[i], count);
    });
  bench.note(
      "the clients' generator needs a CPU too, so / cannot show what a second copy brings "
      "where there are two; /spin/2, which keeps the generator waiting, can");
  bench.note(
      "the herd: processes that sleep in epoll_wait, and 200 clients that come one at a time; "
      "a wake-up is a voluntary context switch, for whoever comes too late is put to sleep "
      "again inside epoll_wait and never hears of it");
}

void report(Bench& bench) {
  const Results& results = bench.results;
  const std::string name = prefork_model().name;
  TextTable table({"copies", "/spin/2\na second", "/\na second", "largest copy's\nshare of 64"});
  std::vector<Bar> bars;
  for (const std::size_t count : copies) {
    const auto x = static_cast<double>(count);
    if (results.failed(name, x)) {
      table.add_across(std::to_string(count), "FAILED: see below");
      continue;
    }
    const auto cell = [&](const char* metric, const NumberFormat& format) {
      return results.cell(name, x, metric, format);
    };
    table.add({std::to_string(count), cell("spins_per_second", plain_number),
               cell("per_second", plain_number), cell("largest_share", in_percent)});
    if (const auto value = results.find(name, x, "spins_per_second"))
      bars.push_back({std::to_string(count) + " copies", *value, plain_number(*value) + "/s"});
  }
  bench.print(table.text() + draw_bars(bars));
  const auto two = [](double value) { return with_digits(value, 2); };
  if (!sharings().empty()) {
    bench.print("Wake-ups for one client (1 is the least), by the number of copies:\n" +
                results.table("wakeups_per_client", two));
    bench.print("Share of the clients that the busiest copy got (even: 1 / copies):\n" +
                results.table("herd_largest_share", in_percent));
  }

  const auto one = results.find(name, 1, "spins_per_second");
  const auto both = results.find(name, 2, "spins_per_second");
  if (!one || !both) return bench.verdict_impossible("a server failed.");
  const double more = results.ratio(name, 2, "spins_per_second", name, 1).value_or(0);
  const bool holds = more > 1.5;
  bench.verdict(holds, holds ? "Two copies compute more than 1.5 times as much as one."
                             : "Two copies compute less than 1.5 times as much as one.");
  bench.numbers("/spin/2: " + plain_number(*one) + " a second with one copy, " +
                plain_number(*both) + " with two, " + times(more) + ".");
  const auto plain = results.find(name_of(Sharing::one_listener), 4, "wakeups_per_client");
  const auto exclusive = results.find(name_of(Sharing::exclusive), 4, "wakeups_per_client");
  const auto own = results.find(name_of(Sharing::listener_each), 4, "wakeups_per_client");
  const auto own_share = results.find(name_of(Sharing::listener_each), 4, "herd_largest_share");
  const auto plain_share = results.find(name_of(Sharing::one_listener), 4, "herd_largest_share");
  if (plain && exclusive && own && own_share && plain_share)
    bench.numbers("The herd: of four that sleep on one listener, " + two(*plain) +
                  " wake up for one client; with EPOLLEXCLUSIVE " + two(*exclusive) +
                  ", with a listener each (SO_REUSEPORT) " + two(*own) +
                  ". Sharing: the busiest of four got " + in_percent(*plain_share) +
                  " of the clients of one listener, " + in_percent(*own_share) +
                  " with SO_REUSEPORT, where the kernel deals by address.");
}

}  // namespace

const BenchExperiment cores_experiment = {
    "cores",  "Copies of a loop use more CPUs, without a line of it being changed.",
    "copies", "prefork event_loop",
    run,      report,
    seconds,  1};
