// demo — the two ways to wait, side by side: the same work on each server, and one table.
#include <getopt.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "common/signals.hpp"
#include "tests/measure/child.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/process_reading.hpp"
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
constexpr std::size_t width = 100;

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
  int letter;
  while ((letter = getopt(argc, argv, "d:i:h")) != -1) {
    if (letter == 'd') {
      options.directory = optarg;
    } else if (letter == 'i' && std::atoi(optarg) > 0) {
      options.idle = static_cast<std::size_t>(std::atoi(optarg));
    } else {
      std::fputs(usage, letter == 'h' ? stdout : stderr);
      std::exit(letter == 'h' ? 0 : 2);
    }
  }
  options.names.assign(argv + optind, argv + argc);
  return options;
}

// One line that changes, on a terminal; a line for each server where there is none.
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
  bool terminal_ = isatty(STDERR_FILENO) == 1;
  std::string heading_;
};

struct Outcome {
  Model model;
  TrialReport report;
};

// "-" where this system does not tell.
template <class Format>
std::string cell(const std::optional<double>& value, Format format) {
  return value ? format(*value) : "-";
}

std::string per_request(double switches) {
  return switches > 0 && switches < 0.005 ? "<0.01" : with_digits(switches, 2);
}

void add_row(TextTable& table, const Outcome& outcome) {
  const TrialReport& report = outcome.report;
  if (!report.failure.empty()) {
    table.add_across(outcome.model.name, "FAILED its work: see below");
    return;
  }
  const bool alone = outcome.model.one_client_only;
  table.add({outcome.model.name, alone ? "none" : with_commas(report.idle),
             report.threads ? with_commas(*report.threads) : "-", cell(report.reserved, in_bytes),
             cell(report.resident, in_bytes), cell(report.switches, per_request),
             with_commas(static_cast<std::uint64_t>(report.per_second)),
             milliseconds_only(report.p50), milliseconds_only(report.p99),
             cell(report.row_waiting, in_percent),
             alone ? "-" : cell(report.spin_p99, milliseconds_only)});
}

std::string table_of(const std::vector<Outcome>& outcomes) {
  TextTable table({"model", "idle\nheld", "\nthreads", "space\n/client", "memory\n/client",
                   "switch\n/answer", "answers\n/second", "p50\nms", "p99\nms", "/row\nwaits",
                   "spin\nms"});
  for (const Outcome& outcome : outcomes) add_row(table, outcome);
  return table.text();
}

const TrialReport* find(const std::vector<Outcome>& outcomes, const std::string& name) {
  for (const Outcome& outcome : outcomes)
    if (outcome.model.name == name && outcome.report.failure.empty()) return &outcome.report;
  return nullptr;
}

// A section of notes. Its heading is printed with its first note, so that none stands alone.
const char* pending_heading = nullptr;

void begin_section(const char* heading) {
  pending_heading = heading;
}

void print_note(const std::string& text) {
  if (pending_heading != nullptr) std::printf("\n%s\n", pending_heading);
  pending_heading = nullptr;
  std::string lines = wrapped(text, width, "  ");
  lines[0] = '*';
  std::fputs(lines.c_str(), stdout);
}

// What each column means.
void print_legend(const TrialPlan& plan) {
  begin_section("How to read it");
  print_note(
      "idle held: clients that have asked once and stay connected, silent, through all the rest. "
      "space, memory: what one of them costs the server's process, as address space reserved and "
      "as memory resident.");
  print_note(
      "switch: how often the kernel put the server to sleep or took its CPU, for each answer, "
      "while " +
      std::to_string(plan.active) +
      " clients asked for / again as soon as they were answered; answers per second: the "
      "same run.");
  print_note("p50, p99: of " + with_commas(static_cast<std::uint64_t>(plan.rate)) +
             " requests for / per second, half and 99% were answered within this time, counted "
             "from when they should have been sent.");
  print_note(
      "/row waits: the share of a row's time in which the server computed nothing. spin: "
      "everybody else's p99, in the second in which one client asked for /spin/" +
      std::to_string(plan.spin_milliseconds) + ".");
}

// ---- what the numbers say

void explain_memory(const std::vector<Outcome>& outcomes) {
  const TrialReport* threads = find(outcomes, "thread_per_connection");
  const TrialReport* loop = find(outcomes, "event_loop");
  if (threads == nullptr || loop == nullptr || !threads->reserved || !loop->resident) return;
  const auto count = static_cast<double>(threads->idle);
  std::string text = with_commas(threads->idle) + " silent clients cost thread_per_connection " +
                     with_commas(*threads->threads) + " threads, " +
                     in_bytes(*threads->reserved * count) + " of address space and " +
                     in_bytes(*threads->resident * count) + " of memory";
  if (threads->kernel_stacks && threads->page_tables)
    text += ", and the kernel " +
            in_bytes((*threads->kernel_stacks + *threads->page_tables) * count) +
            " more for its own stacks and page tables";
  text += "; they cost event_loop " + in_bytes(*loop->resident * static_cast<double>(loop->idle)) +
          " and one thread.";
  print_note(text);
}

void explain_asking(const std::vector<Outcome>& outcomes) {
  const TrialReport* ask = find(outcomes, "poll_loop");
  const TrialReport* told = find(outcomes, "event_loop");
  if (ask == nullptr || told == nullptr || ask->per_second <= 0) return;
  print_note("poll_loop asks the kernel about all " + with_commas(ask->idle + 64) +
             " clients at every wake-up, event_loop is told who is ready: " +
             with_digits(told->per_second / ask->per_second, 1) +
             " times as many requests per second.");
}

void explain_waiting(const std::vector<Outcome>& outcomes) {
  const TrialReport* loop = find(outcomes, "event_loop");
  if (loop == nullptr || !loop->row_waiting) return;
  print_note("A row took event_loop " + with_digits(loop->row_milliseconds, 1) + " ms, and " +
             in_percent(*loop->row_waiting) + " of that was waiting for a backend that takes " +
             std::to_string(backend_delay) + " ms: time for other clients.");
}

void explain_spinning(const std::vector<Outcome>& outcomes) {
  const TrialReport* threads = find(outcomes, "thread_per_connection");
  const TrialReport* loop = find(outcomes, "event_loop");
  if (threads == nullptr || loop == nullptr || !threads->spin_p99 || !loop->spin_p99) return;
  print_note(
      "What a loop cannot hide: while one client's request computes, everybody waits. p99 "
      "went from " +
      in_milliseconds(loop->p99) + " to " + in_milliseconds(*loop->spin_p99) +
      " in event_loop, from " + in_milliseconds(threads->p99) + " to " +
      in_milliseconds(*threads->spin_p99) + " in thread_per_connection.");
}

// ---- what the numbers leave out

void explain_designs(const std::vector<Outcome>& outcomes, const TrialPlan& plan) {
  if (const TrialReport* one = find(outcomes, "one_at_a_time"))
    print_note("one_at_a_time served " + std::to_string(one->active_served) + " of " +
               std::to_string(plan.active) +
               " clients: the others wait until that one leaves, and "
               "an idle one would keep everybody out for ever. Its numbers are that one client's.");
  const TrialReport* select = find(outcomes, "select_loop");
  if (select != nullptr && select->idle < plan.idle)
    print_note(
        "select_loop holds fewer clients than the others, so its numbers flatter it: an "
        "fd_set has room for descriptors below 1,024 only.");
}

// From a tenth of the machine on, somebody else's work shows in the times.
void explain_others(const OthersReading& others) {
  const auto share = others.share();
  if (share && *share > 0.1)
    print_note("OTHER PROGRAMS used " + in_percent(*share) +
               " of this machine meanwhile: rates and times are worse than they would be alone.");
}

void explain_limits(const std::vector<Outcome>& outcomes, const Allowance& allowance,
                    std::size_t wished) {
  if (!allowance.limit.empty())
    print_note(with_commas(allowance.clients) + " idle clients instead of " + with_commas(wished) +
               ", because of " + allowance.limit + ".");
  else
    print_note("No limit of this machine was met: " + with_commas(allowance.clients) +
               " idle clients were wished for, and " + with_commas(raise_descriptor_limit()) +
               " descriptors are allowed.");
  double own_cpu = 0;
  for (const Outcome& outcome : outcomes) own_cpu = std::max(own_cpu, outcome.report.own_cpu);
  if (own_cpu > 0.95)
    print_note("The load generator itself used " + in_percent(own_cpu) +
               " of a CPU: the fastest servers may be faster than it can show.");
}

int print_failures(const std::vector<Outcome>& outcomes) {
  int failures = 0;
  for (const Outcome& outcome : outcomes) {
    if (outcome.report.failure.empty()) continue;
    if (failures++ == 0) std::printf("\nFailed, so there are no numbers:\n");
    std::fputs(wrapped(outcome.model.name + ": " + outcome.report.failure, width, "    ").c_str(),
               stdout);
  }
  return failures;
}

bool is_wanted(const DemoOptions& options, const std::string& name) {
  if (options.names.empty()) return true;
  for (const std::string& wanted : options.names)
    if (wanted == name) return true;
  return false;
}

std::vector<Model> wanted_models(const DemoOptions& options) {
  std::vector<Model> wanted;
  for (const Model& model : models)
    if (is_wanted(options, model.name)) wanted.push_back(model);
  return wanted;
}

std::vector<Outcome> try_all(const std::vector<Model>& wanted, const TrialPlan& plan) {
  Progress progress;
  std::vector<Outcome> outcomes;
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
  install_signal_handlers();
  const OthersReading others;
  TrialPlan plan;
  plan.directory = options.directory;
  // Each client is one descriptor here and one in the server; 64 rows need one more each there.
  const Allowance allowance = allowed_threads(options.idle, 2 * plan.active + 100);
  plan.idle = allowance.clients;

  ChildProcess backend({options.directory + "/slow_backend", "-p", "0", "-t", "600", "-d",
                        std::to_string(backend_delay)});
  plan.backend_port = backend.wait_until_ready(std::chrono::seconds(5));
  const std::vector<Outcome> outcomes = try_all(wanted_models(options), plan);
  if (backend.has_ended())
    std::fprintf(stderr, "demo: slow_backend %s\n", backend.has_ended()->c_str());

  std::printf("%s", table_of(outcomes).c_str());
  const int failures = print_failures(outcomes);
  print_legend(plan);
  begin_section("What it shows");
  explain_memory(outcomes);
  explain_asking(outcomes);
  explain_waiting(outcomes);
  explain_spinning(outcomes);
  begin_section("What to know");
  explain_designs(outcomes, plan);
  explain_limits(outcomes, allowance, options.idle);
  backend.stop();  // so that its time counts as ours
  explain_others(others);
  return failures == 0 ? 0 : 1;
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
