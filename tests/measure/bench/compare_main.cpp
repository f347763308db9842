// compare — our servers against the least programs that wait like them (tests/measure/floors), with
// what each is to reach; and this load generator against wrk.
#include <algorithm>
#include <set>

#include "tests/measure/bench/bench.hpp"
#include "tests/measure/counted.hpp"
#include "tests/measure/text_table.hpp"

namespace {

// ---- findings

// What a model is to reach. The first that fits counts; of others it is only told.
struct Target {
  Models models;
  double value;
};
using Targets = std::vector<Target>;

double target_for(Models model, const Targets& targets) {
  for (const Target& target : targets)
    if ((target.models & model) != 0) return target.value;
  return 0;
}

std::string to_a_thousandth(double value) {
  return with_digits(value, 3);
}

// ---- throughput: several servers at once, slice by slice

struct Race {
  Models who;
  std::size_t clients;
  std::size_t cycles;
  Targets targets;           // throughput, as a share of the floor's
  double beside_nginx = -1;  // event_loop's, as a multiple of nginx's; 0: told; -1: not compared
  std::size_t depth = 1;     // requests at once
  // Each request on a connection of its own. The targets are the CPU time of an answer, as a
  // multiple of the floor's, for the kernel and this generator do most of the work.
  bool new_connection_each = false;
};

void run(BenchRun& bench, const Race& plan) {
  Lineup lineup(bench);
  lineup.enter(plans(plan.who));
  if (lineup.servers().empty()) return;
  // The floors answer as many bytes as a server.
  const std::uint16_t like = lineup.servers().front()->port;
  std::set<std::string> floors;
  for (const ServerPlan& one : plans(plan.who)) floors.insert(one.program.floor);
  for (const std::string& floor : floors)
    lineup.enter(floor, 0, 0, [&] {
      return start_floor(bench.directory(), floor, like, plan.new_connection_each);
    });
  if (plan.beside_nginx >= 0 && !find_on_path("nginx").empty())
    lineup.enter("nginx", 0, 0, start_nginx);
  else if (plan.beside_nginx >= 0)
    bench.note("nginx is not installed, so it is not compared (Debian: nginx-light)");
  lineup.for_each(0, [&](ServerAtWork& server) {
    server.clients.pipeline(plan.depth);
    if (plan.new_connection_each) server.clients.new_connection_each();
    server.hold(plan.clients);
  });
  lineup.take_turns(0, bench.choose<std::size_t>(5, plan.cycles), [&](ServerAtWork& server) {
    bench.add_slice(server, slice_for(plan.clients), cpu_nanoseconds_of);
  });
}

void compare(BenchRun& bench, const std::string& one, const std::string& other, double target,
             bool by_cpu) {
  const Results& results = bench.results;
  const auto rate = results.ratio(one, 0, "per_second", other, 0);
  const auto cpu = results.ratio(one, 0, "cpu_us", other, 0);
  if (!rate) return;
  if (by_cpu && !cpu) return bench.note("this system does not tell a running process's CPU time");
  const double value = by_cpu ? cpu->median : rate->median;
  const std::string bound = by_cpu ? "at most " : "at least ";
  const std::string detail = plain_number(results.at(one, 0, "per_second")) + "/s to " +
                             plain_number(results.at(other, 0, "per_second")) + "/s" +
                             (cpu ? "; CPU time per answer " + two_digits(cpu->median) : "");
  bench.findings.push_back({one + " / " + other + (by_cpu ? ", CPU time" : ""),
                            to_a_thousandth(value),
                            target == 0 ? "" : bound + to_a_thousandth(target),
                            target == 0 || (by_cpu ? value <= target : value >= target), detail});
}

void report(BenchRun& bench, const Race& plan) {
  for (const ServerPlan& one : plans(plan.who))
    compare(bench, one.name, one.program.floor, target_for(one.program.model, plan.targets),
            plan.new_connection_each);
  if (plan.beside_nginx >= 0) compare(bench, "event_loop", "nginx", plan.beside_nginx, false);
}

BenchExperiment experiment(const char* name, const char* title, const Race& plan) {
  return {name,
          title,
          "x",
          {3, 10},
          [plan](BenchRun& bench) { run(bench, plan); },
          [plan](BenchRun& bench) { report(bench, plan); }};
}

// ---- is the load generator right?

void run_check(BenchRun& bench) {
  if (find_on_path("wrk").empty())
    return bench.note(
        "wrk is not installed, so this generator is not checked against it (Debian: wrk)");
  const Server backend = start_backend(bench.directory(), 20);
  Lineup lineup(bench);
  lineup.enter(plans(event_loop), {"-b", std::to_string(backend.port)});
  lineup.for_each(0, [](ServerAtWork& server) {
    server.clients.ask("/row");
    server.hold(64);
  });
  // In turn, like everything here: the machine may change its speed in between.
  lineup.take_turns(0, 3, [&](ServerAtWork& server) {
    const double ours = server.clients.closed_loop(std::chrono::milliseconds(1500)).per_second();
    server.check("/row");
    const double theirs = rate_of_wrk(server.port, 64, 2);
    if (theirs <= 0) throw WorkFailed{"wrk gave no number"};
    bench.add(server, "ratio_to_wrk", ours / theirs);
  });
  lineup.stop();
}

void report_check(BenchRun& bench) {
  const auto ratio = bench.results.find("event_loop", 0, "ratio_to_wrk");
  if (!ratio) return;
  bench.findings.push_back({"this generator / wrk, on /row", to_a_thousandth(*ratio),
                            "0.95 to 1.05", *ratio >= 0.95 && *ratio <= 1.05, ""});
}

}  // namespace

int main(int argc, char** argv) {
  return run_experiments(
      "compare",
      "Our servers against their floors (tests/measure/floors), with what each is to\nreach.",
      {experiment("one", "Throughput on /, 1 keep-alive client",
                  {queue_loops, 1, 60, {{event_loop, 0.96}}}),
       experiment("clients64", "Throughput on /, 64 keep-alive clients",
                  {concurrent,
                   64,
                   40,
                   {{event_loop, 0.97}, {await_loop, 0.95}, {concurrent, 0.95}},
                   1.18}),
       experiment("clients1000", "Throughput on /, 1,000 keep-alive clients",
                  {queue_loops, 1000, 30, {{event_loop, 0.97}}, 1.18}),
       experiment("pipelined", "Throughput on /, 64 clients, 16 requests at once",
                  {queue_loops | thread_per_connection,
                   64,
                   50,
                   {{event_loop, 0.85}, {thread_per_connection, 0.60}},
                   0,
                   16}),
       experiment("churn", "A new connection for each request, 64 clients",
                  {queue_loops, 64, 50, {{event_loop, 1.05}}, -1, 1, true}),
       {"check",
        "This load generator against wrk, where neither is the limit",
        "x",
        {12, 12},
        run_check,
        report_check}},
      argc, argv);
}
