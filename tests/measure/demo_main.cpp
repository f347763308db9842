// demo — the two ways to wait, side by side: the same work on each server, and one table.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "tests/kit/command_line.hpp"
#include "tests/kit/interruption.hpp"
#include "tests/measure/bench/machine.hpp"
#include "tests/measure/client_group.hpp"
#include "tests/measure/demo.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/server.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/tool.hpp"

using namespace two_ways;

namespace {

constexpr const char* usage =
    "usage: demo [-d DIRECTORY] [-i IDLE] [-k] [SERVER...]\n"
    "Starts each server in turn, puts the same work on it, and prints one table.\n"
    "  -d DIRECTORY  where the programs are (beside this one)\n"
    "  -i IDLE       clients to hold idle (10000, or what the machine allows)\n"
    "  -k            to be kept: names the machine, and ends when others use it, too\n"
    "  SERVER        only these\n";

constexpr unsigned backend_delay = 50;  // milliseconds

// Those that are named, in the table's order; without a name, all that are here: a handout may lack
// one.
std::vector<Program> wanted_servers(const std::string& directory,
                                    const std::vector<std::string>& names) {
  std::vector<Program> wanted;
  std::string known;
  std::vector<std::string> unknown = names;
  for (const Program& program : programs()) {
    if ((program.model & servers) == 0) continue;
    known += std::string(" ") + program.name;
    const bool is_named = std::erase(unknown, program.name) > 0;
    const bool is_here = access((directory + "/" + program.name).c_str(), X_OK) == 0;
    if (is_named || (names.empty() && is_here)) wanted.push_back(program);
  }
  if (!unknown.empty())
    refuse_usage("there is no server called " + unknown[0] + "; there are" + known);
  return wanted;
}

std::vector<ServerReport> try_all(const std::vector<Program>& wanted, const DemoPlan& plan) {
  std::vector<ServerReport> outcomes;
  for (const Program& program : wanted) {
    const std::string heading = "[" + std::to_string(outcomes.size() + 1) + "/" +
                                std::to_string(wanted.size()) + "] " + program.name;
    if (!can_redraw(STDERR_FILENO)) std::fprintf(stderr, "%s\n", heading.c_str());
    const auto say = [&](const std::string& what) { say_progress(heading + ": " + what); };
    outcomes.push_back(try_server(program, plan, say));
  }
  say_progress("");
  return outcomes;
}

int run(int argc, char** argv) {
  DemoPlan plan;
  plan.directory = directory_of(argv[0]);
  std::size_t wished_idle = 10'000;
  bool keeps = false;
  const auto names = read_command_line(
      argc, argv, usage,
      {text("-d", plan.directory), number("-i", wished_idle, 1, 1e7), flag("-k", keeps)});
  const std::vector<Program> wanted = wanted_servers(plan.directory, names);
  note_interruptions();
  if (keeps) refuse_company();
  const OthersReading company;
  // Each client is one descriptor here and one in the server; 64 rows need one more each there.
  const Allowance allowance = allowed_threads(wished_idle, 2 * plan.active + 100);
  plan.idle = allowance.clients;

  Server backend = start_backend(plan.directory, backend_delay);
  plan.backend_port = backend.port;
  const DemoFindings findings{try_all(wanted, plan), plan,      backend_delay,
                              wished_idle,           allowance, raise_descriptor_limit()};
  if (const auto end = backend.process.has_ended())
    std::fprintf(stderr, "demo: slow_backend %s\n", end->c_str());
  if (keeps) refuse_company(company);
  if (keeps) std::fputs(machine_header().c_str(), stdout);
  std::fputs(demo_report(findings).c_str(), stdout);
  const auto failed = [](const ServerReport& outcome) { return !outcome.failure.empty(); };
  return std::any_of(findings.outcomes.begin(), findings.outcomes.end(), failed) ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_tool("demo", [&] { return run(argc, argv); });
}
