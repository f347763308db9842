// load — puts clients on one server, or on several to compare them. Itself an event loop.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "common/signals.hpp"
#include "tests/kit/command_line.hpp"
#include "tests/measure/client_group.hpp"
#include "tests/measure/slices.hpp"
#include "tests/measure/text_table.hpp"

namespace {

constexpr const char* usage =
    "usage: load [-c CLIENTS] [-i IDLE] [-s SECONDS] [-k DEPTH] [-r RATE] [-n]\n"
    "            [-u TARGET] PORT...\n"
    "Keep-alive clients for servers on 127.0.0.1. With one PORT, one run; with\n"
    "several, short slices in random order, and each server's rate as a share of the\n"
    "first one's.\n"
    "  -c CLIENTS  that ask (64)\n"
    "  -i IDLE     that have asked once and stay silent (0)\n"
    "  -s SECONDS  in all (2)\n"
    "  -k DEPTH    requests sent at once by each client (1)\n"
    "  -r RATE     requests per second at a constant rate, instead of as fast as\n"
    "              answers come; latency then counts from when a request should have\n"
    "              been sent\n"
    "  -n          a new connection for each request\n"
    "  -u TARGET   what is asked; '#' stands for the client's number (/)\n"
    "Quantiles of the latency are within 0.4%.\n";

struct LoadOptions {
  std::size_t clients = 64;
  std::size_t idle = 0;
  std::size_t depth = 1;
  double seconds = 2;
  double rate = 0;
  bool new_connection_each = false;
  std::string target = "/";
  std::vector<std::uint16_t> ports;
};

LoadOptions read_load_options(int argc, char** argv) {
  LoadOptions options;
  const auto ports =
      read_command_line(argc, argv, usage,
                        {number("-c", options.clients, 1, 1e6), number("-i", options.idle, 0, 1e6),
                         number("-s", options.seconds, 0.01, 3600),
                         number("-k", options.depth, 1, 64), number("-r", options.rate, 1, 1e6),
                         flag("-n", options.new_connection_each), text("-u", options.target)});
  for (const std::string& port : ports) {
    options.ports.push_back(static_cast<std::uint16_t>(std::atoi(port.c_str())));
    if (std::to_string(options.ports.back()) != port || port == "0")
      refuse_usage("a PORT is a number from 1 to 65535, not '" + port + "'");
  }
  if (options.ports.empty()) refuse_usage("which PORT?");
  if (options.rate > 0 && options.ports.size() > 1) refuse_usage("-r takes one PORT only");
  return options;
}

// The clients of one server: those that ask and those that do not.
struct Crowd {
  Crowd(LoadLoop& loop, const LoadOptions& options, std::uint16_t server)
      : port(server), active(loop, server), idle(loop, server) {
    active.ask(options.target);
    active.pipeline(options.depth);
    if (options.new_connection_each) active.new_connection_each();
    active.connect(options.clients);
    if (!active.failed() && options.idle > 0) idle.connect(options.idle);
  }
  std::string failure() const { return active.failed() ? active.failure() : idle.failure(); }

  std::uint16_t port;
  ClientGroup active;
  ClientGroup idle;
};

std::string latency_line(const Histogram& latencies) {
  const char* names[] = {"p50", "p90", "p99", "p99.9"};
  const double shares[] = {0.5, 0.9, 0.99, 0.999};
  std::string line;
  for (std::size_t i = 0; i < 4; ++i)
    line += std::string(names[i]) + " " + milliseconds_only(latencies.quantile(shares[i])) + "  ";
  return line + "longest " + milliseconds_only(static_cast<double>(latencies.max()));
}

// A generator that has no time left measures itself.
std::string own_cpu_line(double share) {
  return "this generator used " + in_percent(share) + " of one CPU" +
         (share > 0.95 ? ": IT MAY BE THE LIMIT, not the server" : "");
}

void run_alone(const LoadOptions& options, Crowd& crowd) {
  const Nanoseconds time(static_cast<long long>(options.seconds * 1e9));
  const LoadResult result = options.rate > 0 ? crowd.active.constant_rate(options.rate, time)
                                             : crowd.active.closed_loop(time);
  if (!crowd.failure().empty()) return;
  std::printf("port %d: %s answers in %s s, %s requests per second, all right\n", crowd.port,
              with_commas(result.answers).c_str(), with_digits(result.seconds, 2).c_str(),
              with_commas(static_cast<std::uint64_t>(result.per_second())).c_str());
  std::printf("  latency, ms: %s\n  %s\n", latency_line(crowd.active.latencies()).c_str(),
              own_cpu_line(result.own_cpu).c_str());
}

void run_together(const LoadOptions& options, std::vector<std::unique_ptr<Crowd>>& crowds) {
  std::vector<ClientGroup*> groups;
  groups.reserve(crowds.size());
  for (const auto& crowd : crowds) groups.push_back(&crowd->active);
  SlicePlan plan;
  plan.slice = slice_for(options.clients);
  const double cycle =
      std::chrono::duration<double>(plan.slice).count() * static_cast<double>(crowds.size()) * 1.2;
  plan.cycles = static_cast<std::size_t>(options.seconds / cycle) + 1;
  const std::vector<Slices> slices = run_slices(groups, plan);
  for (std::size_t i = 0; i < crowds.size(); ++i) {
    if (!crowds[i]->failure().empty()) continue;
    std::printf("port %d: %s requests per second, %s of the first; %s\n", crowds[i]->port,
                with_commas(static_cast<std::uint64_t>(slices[i].per_second())).c_str(),
                with_digits(ratio_of(slices[i], slices[0]), 3).c_str(),
                own_cpu_line(slices[i].own_cpu()).c_str());
  }
}

int run(int argc, char** argv) {
  const LoadOptions options = read_load_options(argc, argv);
  install_signal_handlers();
  raise_descriptor_limit();
  LoadLoop loop;
  std::vector<std::unique_ptr<Crowd>> crowds;
  for (const std::uint16_t port : options.ports)
    crowds.push_back(std::make_unique<Crowd>(loop, options, port));
  if (crowds.size() == 1) {
    if (crowds[0]->failure().empty()) run_alone(options, *crowds[0]);
  } else {
    run_together(options, crowds);
  }
  int status = 0;
  for (const auto& crowd : crowds) {
    if (crowd->failure().empty()) continue;
    std::printf("port %d: FAILED: %s\n", crowd->port, crowd->failure().c_str());
    status = 1;
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) try {
  return run(argc, argv);
} catch (const std::exception& problem) {
  std::fprintf(stderr, "load: %s\n", problem.what());
  return 1;
}
