// idle — what the silent clients cost the others: 64 active ones, while more and more are held.
//
// All servers run at once, each with its own crowd, and beside them one more event_loop with no
// crowd at all: whoever is slower than that within the same cycle is so because of his crowd.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>

#include "common/error.hpp"
#include "tests/kit/forked.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

constexpr std::size_t active_clients = 64;
constexpr double rate = 2000;  // a second, for the latencies
const char* const alone = "event_loop alone";

Allowance most_idle() {
  return allowed_clients(50'000, active_clients + 200);
}

// A thread for each.
std::size_t most_idle_threads() {
  return allowed_threads(50'000, active_clients + 200).clients;
}

std::vector<ServerPlan> models() {
  std::vector<ServerPlan> all = plans(concurrent);
  for (ServerPlan& plan : all)
    if (plan.program.thread_each) plan.most_clients = most_idle_threads() + active_clients;
  all.push_back(plans(event_loop).front());
  all.back().name = alone;
  return all;
}

// Up to the machine's most; where that is less for threads, theirs is a step, too.
std::vector<std::size_t> steps(const BenchRun& bench) {
  const std::size_t most = most_idle().clients;
  if (bench.quick()) return steps_up_to(std::min<std::size_t>(10'000, most), {0, 1'000});
  return steps_up_to(most, {0, 100, 1'000, 10'000, most_idle_threads()});
}

// Long enough for p99.9: what decides it is a request in a thousand.
milliseconds latency_time(const BenchRun& bench) {
  return bench.choose(milliseconds(500), milliseconds(1'000));
}

// The process of the silent clients. Between two orders it sleeps in read.
int live(std::uint16_t port, int orders, int reports) {
  LoadLoop loop;
  ClientGroup clients(loop, port);
  for (std::size_t count = 0; read(orders, &count, sizeof count) == sizeof count;) {
    if (count > clients.clients()) clients.connect(count - clients.clients());
    if (clients.failed()) std::fprintf(stderr, "idle clients: %s\n", clients.failure().c_str());
    const bool is_well = !clients.failed();
    if (write(reports, &is_well, sizeof is_well) < 0) break;
  }
  return 0;
}

// One process may hold only so many descriptors, and servers that are compared run at once, each
// with thousands of clients who stay. So every server's crowd has a process, which does nothing
// while others are measured.
// It is made before there are other clients: its process inherits their sockets, and a client has
// not left while somebody still holds his socket.
class IdleCrowd {
 public:
  explicit IdleCrowd(std::uint16_t port)
      : process_(
            [this, port] { return live(port, orders_.read_end.fd(), reports_.write_end.fd()); }) {
    reports_.write_end = Descriptor();  // its own end must be the last
  }

  // Lets more of them come, up to so many in all. Throws WorkFailed.
  void grow_to(std::size_t count) {
    if (write(orders_.write_end.fd(), &count, sizeof count) != sizeof count)
      throw CallFailed("write to the idle clients' process", errno);
    pollfd report{reports_.read_end.fd(), POLLIN, 0};
    int ready = 0;
    do ready = poll(&report, 1, 60'000);
    while (ready < 0 && errno == EINTR && !process_.status_if_ended());
    bool is_well = false;
    if (ready <= 0 || read(reports_.read_end.fd(), &is_well, sizeof is_well) <= 0 || !is_well)
      throw WorkFailed{"the idle clients are not all there"};
  }

 private:
  Pipe orders_ = new_pipe();
  Pipe reports_ = new_pipe();
  Forked process_;
};

void measure_latency(BenchRun& bench, ServerAtWork& server) {
  server.clients.constant_rate(rate, latency_time(bench));
  server.check("/ at a constant rate");
  const Histogram& latencies = server.clients.latencies();
  bench.add(server, "p50_us", latencies.quantile(0.5) / 1e3);
  bench.add(server, "p99_us", latencies.quantile(0.99) / 1e3);
  bench.add(server, "p999_us", latencies.quantile(0.999) / 1e3);
}

void climb(BenchRun& bench, Lineup& lineup) {
  std::map<const ServerAtWork*, std::unique_ptr<IdleCrowd>> crowds;
  for (const auto& server : lineup.servers())
    if (server->name != alone) crowds[server.get()] = std::make_unique<IdleCrowd>(server->port);
  lineup.for_each(active_clients, [](ServerAtWork& server) { server.hold(active_clients); });
  for (const std::size_t step : steps(bench)) {
    lineup.go_to(static_cast<double>(step));
    lineup.for_each(step + active_clients, [&](ServerAtWork& server) {
      if (server.name == alone || step == 0) return;
      bench.progress(with_commas(step) + " idle clients come to " + server.name);
      crowds.at(&server)->grow_to(step);
      server.wait_until_quiet();
    });
    // Many short slices for the rates: that is what a shared machine disturbs least.
    lineup.take_turns(step + active_clients, bench.choose<std::size_t>(5, 3 * bench.repeats()),
                      [&](ServerAtWork& server) {
                        const LoadResult full = server.clients.closed_loop(milliseconds(40));
                        server.check("/");
                        bench.add_rate(server, full);
                      });
    lineup.take_turns(step + active_clients, bench.repeats(),
                      [&](ServerAtWork& server) { measure_latency(bench, server); });
  }
}

void run(BenchRun& bench) {
  const Allowance allowance = most_idle();
  if (!allowance.limit.empty())
    bench.note("at most " + with_commas(allowance.clients) + " idle clients, because of " +
               allowance.limit);
  bench.note(
      "latency at " + with_digits(rate, 0) +
      " requests a second, from when each should have been sent; quantiles within 0.4%, each "
      "the median of the repeats' own; a repeat has " +
      plain_number(rate * in_seconds(latency_time(bench))) + " requests");
  bench.note(std::string(alone) + ": one that holds no idle clients at any time, for comparison");
  Lineup lineup(bench);
  lineup.enter(models());
  climb(bench, lineup);
  for (const auto& server : lineup.servers())
    if (!server->failed) server->wait_until_quiet();
  lineup.stop();
}

void report(BenchRun& bench) {
  const Results& results = bench.results;
  const auto ms = [](double microseconds) { return milliseconds_only(microseconds * 1e3); };
  bench.print_table("Requests per second", "per_second", plain_number);
  bench.print_table("p50, ms", "p50_us", ms);
  bench.print_table("p99, ms", "p99_us", ms);
  bench.print_table("p99.9, ms", "p999_us", ms);
  double most = 0;
  for (const double idle : results.points("per_second")) most = idle <= 10'000 ? idle : most;

  // Within a cycle, of what a loop without idle clients does. Where the generator was saturated
  // with that one, the loop may do more, and a share of it is "at most".
  const auto share = [&](const char* model) {
    return results.ratio_at(model, most, "per_second", alone, most).median;
  };
  if (most < 1000) return bench.verdict_impossible("fewer than 1,000 clients are allowed.");
  const bool is_saturated = results.is_marked(alone, most, "per_second");
  const bool loses = share("poll_loop") < 0.5;
  const bool keeps = share("event_loop") > 2.0 / 3;
  bench.verdict(
      loses && keeps,
      std::string("Beside ") + plain_number(most) + " idle clients poll_loop " +
          (loses ? "loses more than half of its throughput, "
                 : "keeps more than half of its throughput, ") +
          "event_loop " +
          (!keeps         ? "loses more than a third of its own."
           : is_saturated ? "answers more than two thirds of what the generator can ask for."
                          : "keeps more than two thirds of its own."));
}

}  // namespace

extern const BenchExperiment idle_experiment = {
    "idle",
    "Idle clients slow down whoever must ask about all of them, and nobody else.",
    "idle_clients",
    {38, 251},
    run,
    report,
    alone};
