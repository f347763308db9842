// demo — the two ways to wait, side by side: the same work on each server, and one table.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "common/signals.hpp"
#include "tests/kit/child_process.hpp"
#include "tests/kit/command_line.hpp"
#include "tests/measure/demo_report.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/tool.hpp"
#include "tests/measure/trial.hpp"

namespace {

constexpr const char* usage =
    "usage: demo [-d DIRECTORY] [-i IDLE] [SERVER...]\n"
    "Starts each server in turn, puts the same work on it, and prints one table.\n"
    "  -d DIRECTORY  where the programs are (beside this one)\n"
    "  -i IDLE       clients to hold idle (10000, or what the machine allows)\n"
    "  SERVER        only these\n";

constexpr unsigned backend_delay = 50;  // milliseconds

const std::vector<Model> models = {
    {"one_at_a_time", 0, true},
    {"thread_per_connection", 0, false},
    // A descriptor of 1,024 or more does not fit into its fd_set: 64 active clients, and 64
    // connections to the backend, need room too.
    {"select_loop", 850, false},
    {"poll_loop", 0, false},
    {"event_loop", 0, false},
    {"await_loop", 0, false},
};

struct DemoOptions {
  std::string directory;
  std::size_t idle = 10'000;
  std::vector<std::string> names;
};

DemoOptions read_demo_options(int argc, char** argv) {
  DemoOptions options;
  options.directory = directory_of(argv[0]);
  options.names = read_command_line(
      argc, argv, usage, {text("-d", options.directory), number("-i", options.idle, 1, 1e7)});
  return options;
}

// One line that changes, on a terminal that can; a line for each server where there is none.
class Progress {
 public:
  void begin(const std::string& name, std::size_t number, std::size_t count) {
    heading_ = "[" + std::to_string(number) + "/" + std::to_string(count) + "] " + name;
    if (!terminal_) std::fprintf(stderr, "%s\n", heading_.c_str());
  }
  void say(const std::string& what) const {
    if (terminal_) std::fprintf(stderr, "\r%s: %s\033[K", heading_.c_str(), what.c_str());
  }
  void end() const {
    if (terminal_) std::fputs("\r\033[K", stderr);
  }

 private:
  bool terminal_ = can_redraw(STDERR_FILENO);
  std::string heading_;
};

[[noreturn]] void refuse_server(const std::string& name) {
  std::string known;
  for (const Model& model : models) known += " " + model.name;
  std::fprintf(stderr, "demo: there is no server called %s; there are%s\n", name.c_str(),
               known.c_str());
  std::exit(2);
}

// Those that are named, in the table's order; without a name, all.
std::vector<Model> wanted_models(const DemoOptions& options) {
  if (options.names.empty()) return models;
  std::vector<Model> wanted;
  for (const Model& model : models)
    if (std::count(options.names.begin(), options.names.end(), model.name) > 0)
      wanted.push_back(model);
  for (const std::string& name : options.names)
    if (std::none_of(wanted.begin(), wanted.end(),
                     [&](const Model& model) { return model.name == name; }))
      refuse_server(name);
  return wanted;
}

std::vector<Tried> try_all(const std::vector<Model>& wanted, const TrialPlan& plan) {
  Progress progress;
  std::vector<Tried> outcomes;
  for (const Model& model : wanted) {
    progress.begin(model.name, outcomes.size() + 1, wanted.size());
    TrialPlan own = plan;
    if (model.most_idle > 0) own.idle = std::min(own.idle, model.most_idle);
    const auto say = [&](const std::string& what) { progress.say(what); };
    outcomes.push_back({model, try_model(model, own, say)});
  }
  progress.end();
  return outcomes;
}

int run(const DemoOptions& options) {
  const std::vector<Model> wanted = wanted_models(options);
  install_signal_handlers();
  TrialPlan plan;
  plan.directory = options.directory;
  // Each client is one descriptor here and one in the server; 64 rows need one more each there.
  const Allowance allowance = allowed_threads(options.idle, 2 * plan.active + 100);
  plan.idle = allowance.clients;

  ChildProcess backend({options.directory + "/slow_backend", "-p", "0", "-t", "600", "-d",
                        std::to_string(backend_delay)});
  plan.backend_port = backend.wait_until_ready(std::chrono::seconds(5));
  const DemoFindings findings{try_all(wanted, plan), plan,      backend_delay,
                              options.idle,          allowance, raise_descriptor_limit()};
  if (backend.has_ended())
    std::fprintf(stderr, "demo: slow_backend %s\n", backend.has_ended()->c_str());
  std::fputs(demo_report(findings).c_str(), stdout);
  const auto failed = [](const Tried& outcome) { return !outcome.report.failure.empty(); };
  return std::any_of(findings.outcomes.begin(), findings.outcomes.end(), failed) ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) try {
  return run(read_demo_options(argc, argv));
} catch (const Interrupted&) {
  std::fputs("\ndemo: interrupted; all servers are stopped\n", stderr);
  return 130;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "demo: %s\n", problem.what());
  return 1;
}
