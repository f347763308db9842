// faults — the behaviour checks, against servers whose system calls fail and fall short on purpose.
//
// A check either keeps its promise although calls fail, or, where the faults may end connections
// by right (Check::disturbed_by), it may end early. Then what arrived must be right, and the server
// alive, with nothing left of the lost clients. prefork has a check of its own, and a mixture of
// kinds: --server=prefork, --fault=prefork. A kind of fault that never happened fails the run.
// -h shows the usage.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/program.hpp"
#include "tests/behaviour/catalogue.hpp"
#include "tests/faults/runs.hpp"
#include "tests/kit/command_line.hpp"

namespace {

using Clock = std::chrono::steady_clock;

// One kind, or all at once, each of them less often.
struct Mixture {
  std::string name;
  Faults faults;
  double share;
};

struct Combination {
  Tested tested;
  Check check;
  const Mixture* mixture;
  std::size_t round = 0;  // how often its mixture comes before
};

using Tally = std::map<Outcome, std::size_t>;

std::vector<Mixture> all_mixtures() {
  std::vector<Mixture> mixtures;
  for (const FaultKind& kind : all_fault_kinds)
    mixtures.push_back({kind.name, only(kind.fault), 1.0});
  mixtures.push_back({"all", every_fault, 0.3});
  mixtures.push_back({"prefork", prefork_faults, 0.5});
  return mixtures;
}

std::vector<Check> tested_checks() {
  std::vector<Check> checks = all_checks();
  checks.insert(checks.end(), prefork_checks.begin(), prefork_checks.end());
  return checks;
}

// A mixture that no server can meet.
bool is_for_prefork(const Mixture& mixture) {
  return (mixture.faults & ~prefork_faults) == 0 && (mixture.faults & process_faults) != 0;
}

bool is_reachable(const Mixture& mixture, Models model) {
  if (model == prefork) return (mixture.faults & prefork_faults) != 0;
  if (is_for_prefork(mixture)) return false;
  // Only this server has threads to lose.
  return mixture.faults != only(Fault::no_thread) || (model & thread_per_connection) != 0;
}

std::vector<Combination> combinations(const Settings& settings,
                                      const std::vector<Mixture>& mixtures) {
  std::vector<Combination> all;
  for (const Program& program : programs()) {
    if (!is_wanted(settings.servers, program.name)) continue;
    const Tested tested{program.name, settings.directory + "/" + program.name, program.model};
    for (const Check& check : tested_checks()) {
      if ((check.models & program.model) == 0 || !is_wanted(settings.ids, check.name.id)) continue;
      if ((check.needs & need_peace) != 0) continue;
      for (const Mixture& mixture : mixtures)
        if (is_wanted(settings.faults, mixture.name) && is_reachable(mixture, program.model))
          all.push_back({tested, check, &mixture});
    }
  }
  return all;
}

// At random, but so that each kind comes once before any comes twice. What is for prefork takes a
// second, and comes first: every seed gets to it.
void deal(std::vector<Combination>& all, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::shuffle(all.begin(), all.end(), random);
  std::map<const Mixture*, std::size_t> rounds;
  for (Combination& one : all) one.round = rounds[one.mixture]++;
  std::stable_sort(all.begin(), all.end(), [](const Combination& one, const Combination& other) {
    return std::pair(!is_for_prefork(*one.mixture), one.round) <
           std::pair(!is_for_prefork(*other.mixture), other.round);
  });
}

class Run {
 public:
  explicit Run(const Settings& settings)
      : settings_(settings), mixtures_(all_mixtures()), tallies_(mixtures_.size()) {
    all_ = combinations(settings_, mixtures_);
  }

  // The exit status.
  int run() {
    if (all_.empty()) {
      std::fprintf(stderr, "faults: no such server, kind or case\n");
      return 2;
    }
    const auto begin = Clock::now();
    for (std::uint64_t i = 0; i < settings_.seeds; ++i) {
      const auto end = begin + std::chrono::seconds(settings_.seconds) * (i + 1) / settings_.seeds;
      run_seed(settings_.first_seed + i, end);
    }
    for (const FaultKind& kind : all_fault_kinds) insist_on(kind);
    return report();
  }

 private:
  // By chance, a rare kind may not have happened yet.
  void insist_on(const FaultKind& kind) {
    constexpr int most_tries = 40;
    std::uint64_t seed = settings_.first_seed + settings_.seeds;
    int tries = 0;
    for (const Combination& one : all_) {
      if (injected_[static_cast<std::size_t>(kind.fault)] > 0 || tries == most_tries) return;
      if (one.mixture->faults != only(kind.fault)) continue;
      run_one(one, seed++);
      ++tries;
    }
  }

  void run_seed(std::uint64_t seed, Clock::time_point end) {
    deal(all_, seed);
    for (const Combination& one : all_) {
      run_one(one, seed);
      if (settings_.seconds != 0 && Clock::now() >= end) return;
    }
  }

  void run_one(const Combination& one, std::uint64_t seed) {
    FaultPlan plan(settings_.directory + "/libfaults.so", one.mixture->faults, seed,
                   one.mixture->share);
    Tested tested = one.tested;
    tested.faults = &plan;
    tested.build = settings_.directory;
    const std::string again = "build/tests/faults --build=" + settings_.directory +
                              " --server=" + tested.name + " --case=" + one.check.name.id +
                              " --fault=" + one.mixture->name + " --seed=" + std::to_string(seed) +
                              " --seeds=1 --seconds=0";
    const Result result = run_check(one.check, tested, again);
    ++tallies_[static_cast<std::size_t>(one.mixture - mixtures_.data())][result.outcome];
    if (result.outcome == Outcome::failed || result.outcome == Outcome::broken)
      std::printf("FAILED  %s: %s %s, with %s (%s)\n%s\n\n", tested.name.c_str(), one.check.name.id,
                  one.check.name.title, one.mixture->name.c_str(), plan.command_words().c_str(),
                  result.story.c_str());
    std::fflush(stdout);
    const FaultCounts counts = plan.counts();
    for (std::size_t i = 0; i < fault_kinds; ++i) injected_[i] += counts[i];
    calls_ += plan.calls();
  }

  bool was_to_happen(const FaultKind& kind) const {
    return settings_.ids.empty() &&
           std::any_of(all_.begin(), all_.end(), [&kind](const Combination& one) {
             return one.mixture->faults == only(kind.fault);
           });
  }

  int report() {
    std::size_t all_failed = 0;
    std::size_t passed = 0;
    std::printf("%-13s %8s %10s %7s %8s %10s\n", "kind", "kept", "disturbed", "failed", "skipped",
                "injected");
    for (std::size_t i = 0; i < mixtures_.size(); ++i) {
      Tally& tally = tallies_[i];
      const std::size_t failed = tally[Outcome::failed] + tally[Outcome::broken];
      all_failed += failed;
      passed += tally[Outcome::passed] + tally[Outcome::disturbed];
      std::printf("%-13s %8zu %10zu %7zu %8zu", mixtures_[i].name.c_str(), tally[Outcome::passed],
                  tally[Outcome::disturbed], failed,
                  tally[Outcome::skipped] + tally[Outcome::inconclusive]);
      if (i < fault_kinds) std::printf(" %10llu", static_cast<unsigned long long>(injected_[i]));
      std::printf("\n");
    }
    for (std::size_t i = 0; i < fault_kinds; ++i)
      if (injected_[i] == 0 && was_to_happen(all_fault_kinds[i])) {
        std::printf("FAILED  %s has never happened\n", all_fault_kinds[i].name);
        ++all_failed;
      }
    std::printf("seeds %llu to %llu, %llu system calls seen\n",
                static_cast<unsigned long long>(settings_.first_seed),
                static_cast<unsigned long long>(settings_.first_seed + settings_.seeds - 1),
                static_cast<unsigned long long>(calls_));
    // As doctest says it, for tests/run.sh.
    std::printf("test cases: %zu | %zu passed | %zu failed\n", passed + all_failed, passed,
                all_failed);
    return all_failed == 0 ? 0 : 1;
  }

  const Settings settings_;
  const std::vector<Mixture> mixtures_;
  std::vector<Combination> all_;
  std::vector<Tally> tallies_;
  FaultCounts injected_{};
  std::uint64_t calls_ = 0;
};

constexpr const char* usage =
    "usage: faults [--build=DIR] [--server=NAME]... [--fault=KIND]... [--case=ID]...\n"
    "              [--seed=N] [--seeds=COUNT] [--seconds=S] [--soak]\n"
    "  --build=DIR    where the servers are (one up from where this program is)\n"
    "  --server=NAME  only this one; may be given several times (all)\n"
    "  --fault=KIND   only this kind, or 'all' for all at once (each alone, and all)\n"
    "  --case=ID      only this check, such as B02 (all)\n"
    "  --seed=N       the first seed (1)\n"
    "  --seeds=COUNT  how many seeds (5)\n"
    "  --seconds=S    how long all seeds may take together (50): each takes as many\n"
    "                 combinations of server, check and kind as it can, in an order in\n"
    "                 which all kinds come first; with 0, each takes all of them\n"
    "  --soak         no checks, but clients of all manners, in rounds (soak.cpp)\n";

}  // namespace

bool is_wanted(const std::vector<std::string>& wanted, std::string_view name) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
}

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  Settings settings;
  const std::string self = argv[0];
  settings.directory = self.substr(0, self.rfind('/') + 1) + "..";
  constexpr double most = 1e15;
  const auto others = read_command_line(
      argc, argv, usage,
      {text("--build", settings.directory), texts("--server", settings.servers),
       texts("--fault", settings.faults), texts("--case", settings.ids),
       number("--seed", settings.first_seed, 0, most), number("--seeds", settings.seeds, 1, most),
       number("--seconds", settings.seconds, 0, most), flag("--soak", settings.soaks)});
  if (!others.empty()) refuse_usage("what does '" + others[0] + "' mean?");
  try {
    return settings.soaks ? soak(settings) : Run(settings).run();
  } catch (const std::exception& trouble) {
    std::fprintf(stderr, "faults: %s\n", trouble.what());
    return 1;
  }
}
