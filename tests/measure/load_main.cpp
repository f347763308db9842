// load — puts clients on a server. Itself an event loop.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/program.hpp"
#include "tests/kit/command_line.hpp"
#include "tests/kit/interruption.hpp"
#include "tests/measure/client_group.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/tool.hpp"

namespace {

constexpr const char* usage =
    "usage: load [-c CLIENTS] [-i IDLE] [-s SECONDS] [-k DEPTH] [-r RATE] [-n]\n"
    "            [-u TARGET] PORT\n"
    "Keep-alive clients for a server on 127.0.0.1.\n"
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
  std::uint16_t port = 0;
};

LoadOptions read_load_options(int argc, char** argv) {
  LoadOptions options;
  const auto ports =
      read_command_line(argc, argv, usage,
                        {number("-c", options.clients, 1, 1e6), number("-i", options.idle, 0, 1e6),
                         number("-s", options.seconds, 0.01, 3600),
                         number("-k", options.depth, 1, 64), number("-r", options.rate, 1, 1e6),
                         flag("-n", options.new_connection_each), text("-u", options.target)});
  if (ports.size() != 1) refuse_usage(ports.empty() ? "which PORT?" : "one PORT only");
  options.port = static_cast<std::uint16_t>(std::atoi(ports[0].c_str()));
  if (std::to_string(options.port) != ports[0] || options.port == 0)
    refuse_usage("a PORT is a number from 1 to 65535, not '" + ports[0] + "'");
  return options;
}

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

// What went wrong; empty if nothing did.
std::string put_load(const LoadOptions& options) {
  LoadLoop loop;
  ClientGroup active(loop, options.port);
  ClientGroup idle(loop, options.port);
  active.ask(options.target);
  active.pipeline(options.depth);
  if (options.new_connection_each) active.new_connection_each();
  active.connect(options.clients);
  if (!active.failed() && options.idle > 0) idle.connect(options.idle);
  if (idle.failed() || active.failed()) return active.failure() + idle.failure();

  const Nanoseconds time(static_cast<long long>(options.seconds * 1e9));
  const LoadResult result =
      options.rate > 0 ? active.constant_rate(options.rate, time) : active.closed_loop(time);
  if (idle.failed() || active.failed()) return active.failure() + idle.failure();
  std::printf("port %d: %s answers in %s s, %s requests per second, all right\n", options.port,
              with_commas(result.responses).c_str(), with_digits(result.seconds, 2).c_str(),
              with_commas(static_cast<std::uint64_t>(result.per_second())).c_str());
  std::printf("  latency, ms: %s\n  %s\n", latency_line(active.latencies()).c_str(),
              own_cpu_line(result.own_cpu).c_str());
  return "";
}

int run(int argc, char** argv) {
  const LoadOptions options = read_load_options(argc, argv);
  note_interruptions();
  raise_descriptor_limit();
  const std::string failure = put_load(options);
  if (!failure.empty()) std::printf("port %d: FAILED: %s\n", options.port, failure.c_str());
  return failure.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return run_tool("load", [&] { return run(argc, argv); });
}
