// peers — the same work on other people's servers, where they are installed, beside ours.
//
// They do more than ours (logs, modules, TLS, a language): what is compared is the waiting.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/peer_programs.hpp"
#include "tests/measure/slices.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/tool.hpp"

namespace {

constexpr const char* usage =
    "usage: peers [-d DIRECTORY]\n"
    "The same work on other servers, beside ours.\n"
    "  -d DIRECTORY  where our programs are (beside this one)\n";
const char* const reference = "event_loop";
constexpr std::size_t levels[] = {1, 64, 1'000};
constexpr std::size_t cycles = 12;

// One server with its clients.
struct Runner {
  Runner(LoadLoop& loop, Contender running)
      : contender(std::move(running)), clients(loop, contender.port) {}

  void read_clock() {
    const auto now = read_activity(contender.process.pid()).cpu_nanoseconds;
    if (in_slice && now && before) cpu += static_cast<double>(*now - *before);
    before = now;
    in_slice = !in_slice;
  }

  Contender contender;
  ClientGroup clients;
  std::vector<Slices> slices;              // by level
  std::vector<double> cpu_of_answer;       // nanoseconds, by level
  std::optional<double> memory_of_client;  // bytes
  std::string failure;
  double cpu = 0;
  std::optional<std::uint64_t> before;
  bool in_slice = false;
};

using Runners = std::vector<std::unique_ptr<Runner>>;

// False: it did not start, and nobody else has to go without being measured.
bool enter(Runners& runners, LoadLoop& loop, const std::string& name,
           const std::function<Contender()>& start) {
  std::string reason;
  try {
    runners.push_back(std::make_unique<Runner>(loop, start()));
    return true;
  } catch (const StartFailed& failure) {
    reason = failure.what();
  } catch (const CallFailed& failure) {
    reason = failure.what();
  }
  std::fputs(wrapped("FAILED: " + name + ": " + reason, screen_width, "").c_str(), stdout);
  return false;
}

// False: one of those that are here did not start.
bool start_all(Runners& runners, LoadLoop& loop, const std::string& directory) {
  bool all_started = true;
  for (const char* name : {reference, "await_loop", "thread_per_connection"}) {
    const auto start = [&] { return start_server(directory, name); };
    all_started = enter(runners, loop, name, start) && all_started;
  }
  for (const PeerProgram& peer : peer_programs()) {
    if (is_installed(peer.program))
      all_started = enter(runners, loop, peer.name, peer.start) && all_started;
    else
      std::printf("%s is not installed, so it is absent (Debian: apt-get install %s)\n",
                  peer.name.c_str(), peer.package.c_str());
  }
  return all_started;
}

// Raises all of them to the next number of clients; what a client costs is read on the way.
void grow(Runner& runner, std::size_t to) {
  if (!runner.failure.empty()) return;
  const std::size_t held = runner.clients.clients();
  const auto before = read_process(runner.contender.process.pid()).resident_bytes;
  runner.clients.connect(to - held);
  const auto after = read_process(runner.contender.process.pid()).resident_bytes;
  if (runner.clients.failed()) runner.failure = runner.clients.failure();
  if (before && after && to - held > 500)
    runner.memory_of_client = (static_cast<double>(*after) - static_cast<double>(*before)) /
                              static_cast<double>(to - held);
}

void measure(Runners& runners, std::size_t level) {
  std::vector<ClientGroup*> groups;
  for (const auto& runner : runners) {
    runner->cpu = 0;
    groups.push_back(&runner->clients);
  }
  SlicePlan plan;
  plan.slice = slice_for(level);
  plan.cycles = cycles;
  const auto slices = run_slices(groups, plan, [&](std::size_t g) { runners[g]->read_clock(); });
  for (std::size_t g = 0; g < runners.size(); ++g) {
    Runner& runner = *runners[g];
    if (runner.clients.failed() && runner.failure.empty()) runner.failure = groups[g]->failure();
    double answers = 0;
    for (const LoadResult& result : slices[g].results)
      answers += static_cast<double>(result.all_answers);
    runner.slices.push_back(slices[g]);
    runner.cpu_of_answer.push_back(answers > 0 ? runner.cpu / answers : 0);
  }
}

// The ratio to event_loop; "-" if that has not done its work.
std::string ratio_cell(const Runners& runners, const Runner& runner, std::size_t level) {
  const auto found = std::find_if(runners.begin(), runners.end(), [](const auto& one) {
    return one->contender.name == reference && one->failure.empty();
  });
  if (found == runners.end()) return "-";
  return with_digits(ratio_of(runner.slices[level], (*found)->slices[level]), 2);
}

void print(const Runners& runners) {
  std::vector<std::string> titles{""};
  for (const std::size_t level : levels) {
    titles.push_back(with_commas(level) + (level == 1 ? " client\n/second" : " clients\n/second"));
    titles.push_back("\nratio");
  }
  titles.insert(titles.end(), {"64: CPU\nus/answer", "memory\n/client"});
  TextTable table(titles);
  double own_cpu = 0;
  for (const auto& runner : runners) {
    if (!runner->failure.empty()) {
      table.add_across(runner->contender.name, "FAILED: " + runner->failure);
      continue;
    }
    std::vector<std::string> cells{runner->contender.name};
    for (std::size_t i = 0; i < std::size(levels); ++i) {
      cells.push_back(plain_number(runner->slices[i].per_second()));
      cells.push_back(ratio_cell(runners, *runner, i));
      own_cpu = std::max(own_cpu, runner->slices[i].own_cpu());
    }
    const double cpu = runner->cpu_of_answer[1];
    cells.push_back(cpu > 0 ? with_digits(cpu / 1e3, 1) : "-");
    cells.push_back(runner->memory_of_client ? in_bytes(*runner->memory_of_client) : "-");
    table.add(cells);
  }
  std::printf("%s", table.text().c_str());
  std::fputs(
      wrapped("(GET / over kept connections; ratio: to event_loop, within a cycle, medians of " +
                  std::to_string(cycles) +
                  " cycles in random order. memory: what the step from 64 to 1,000 clients "
                  "added, per client; 0 B where the server had it already. The load "
                  "generator used up to " +
                  in_percent(own_cpu) + " of a CPU" +
                  (own_cpu > 0.95 ? ", SATURATED: the fastest may be faster" : "") + ".)",
              screen_width, "  ")
          .c_str(),
      stdout);
}

int run(int argc, char** argv) {
  const std::string directory = read_directory(argc, argv, usage);
  install_signal_handlers();
  raise_descriptor_limit();
  LoadLoop loop;
  Runners runners;
  bool all_well = start_all(runners, loop, directory);
  if (runners.empty()) return 1;
  for (const std::size_t level : levels) {
    for (const auto& runner : runners) grow(*runner, level);
    measure(runners, level);
  }
  print(runners);
  for (const auto& runner : runners) all_well = all_well && runner->failure.empty();
  return all_well ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return run_tool("peers", argc, argv, run);
}
