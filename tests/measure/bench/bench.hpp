// bench.hpp — what all experiments share.
//
// An experiment has a claim, runs, and then reports: tables, bars, and a verdict that is computed
// from the numbers. It repeats everything, with the models in a new random order each time, so
// that the machine's moods hit all of them alike; medians count.
//
// Gives: the settings of this run, a progress line, the models, the verdict's parts.
// Do:    put every piece of work on a server into attempt(): a server that fails is shown as
//        failed, and the experiment goes on with the others.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/measure/bench/results.hpp"
#include "tests/measure/client_group.hpp"
#include "tests/measure/contender.hpp"

struct BenchSettings {
  std::string directory;  // of the programs
  std::string output;     // of the CSV files
  bool quick = false;
  std::size_t repeats() const { return quick ? 3 : 7; }
};

// One way of waiting, as the experiments start it.
struct BenchModel {
  std::string name;     // in tables
  std::string program;  // in the directory of programs
  ChildProcess::Arguments more;
  std::size_t most_clients;  // 0: as many as the machine allows
};

const std::vector<BenchModel>& many_client_models();  // all but one_at_a_time
const BenchModel& one_at_a_time_model();

// A server did not do its work.
struct WorkFailed {
  std::string reason;
};

struct BenchExperiment;

class Bench {
 public:
  Bench(const BenchSettings& settings, const BenchExperiment& experiment);

  bool quick() const { return settings_.quick; }
  const std::string& directory() const { return settings_.directory; }
  std::size_t repeats() const { return settings_.repeats(); }
  // One value for `make bench QUICK=1`, another for the whole run.
  template <class Value>
  Value choose(Value quick_one, Value whole) const {
    return settings_.quick ? quick_one : whole;
  }

  // Runs `work(repeat, model)` for each repeat and each model, in a new random order each time.
  void interleave(const std::vector<BenchModel>& models,
                  const std::function<void(std::size_t, const BenchModel&)>& work);
  // The same for anything that has a number.
  using NumberedWork = std::function<void(std::size_t, std::size_t)>;
  void interleave(std::size_t count, const NumberedWork& work);
  void interleave(std::size_t count, std::size_t repeats, const NumberedWork& work);

  // Runs a piece of work that needs a server. What goes wrong is kept as this model's failure at x.
  // True: nothing did.
  bool attempt(const BenchModel& model, double x, const std::function<void()>& work);
  // Starts a model with the options of a comparison, and more. Throws StartFailed.
  Contender start(const BenchModel& model, const ChildProcess::Arguments& more = {}) const;
  // Is the program there? A handout may lack one. That it does is noted.
  bool is_here(const BenchModel& model);
  // Throws WorkFailed if the clients have had to give up; says what became of the server.
  static void check(const ClientGroup& clients, const std::string& work, Contender& server);
  // SIGTERM. Throws WorkFailed for a server that does not end cleanly.
  static void stop(Contender& server);

  // On a terminal, one line: how long it has taken, how long it may take, what is being done.
  void progress(const std::string& what) const;
  // Seconds that this experiment takes on a quiet machine, by what is known of it.
  double budget() const { return budget_; }
  // A rate, and the generator's share of a CPU while it was measured: "per_second" and
  // "generator_cpu".
  void add_rate(const std::string& model, double x, const LoadResult& result);
  // The same share of a run that has no rate to tell.
  void note_own_cpu(const LoadResult& result);
  void note(const std::string& text);

  // -- for the report --
  void print(const std::string& text) const;
  // A sentence that begins with "It holds" or "It does not hold". Keep exact numbers out of it:
  // on a quiet machine it is to be the same every time.
  void verdict(bool holds, const std::string& sentence);
  void verdict_impossible(const std::string& reason);
  // The exact numbers, beneath the verdict.
  void numbers(const std::string& sentence);

  Results results;
  const std::vector<std::string>& notes() const { return notes_; }
  const std::string& verdict() const { return verdict_; }
  // Notes what the generator itself took, if somebody has told it, and marks the rates at which it
  // was saturated.
  void note_saturation();

 private:
  // On a machine that others use, an experiment ends with fewer repeats rather than very late.
  std::size_t fewest_repeats() const { return choose<std::size_t>(3, 5); }
  static constexpr double patience = 1.5;  // of the budget
  // Beyond this share of a CPU, the rate may be the generator's own.
  static constexpr double saturated_share = 0.95;

  BenchSettings settings_;
  double budget_ = 0;
  LoadClock::time_point start_ = LoadClock::now();
  std::mt19937 random_{20};
  std::vector<std::string> notes_;
  std::string verdict_;
  double own_cpu_ = 0;
};

struct BenchExperiment {
  std::string name;
  std::string claim;      // one sentence
  std::string x_name;     // what is varied, as the CSV calls it
  std::string reference;  // the model that ratios are taken to
  void (*run)(Bench&);
  void (*report)(Bench&);
  double (*seconds)(const Bench&);                   // that it takes on a quiet machine
  std::optional<double> reference_x = std::nullopt;  // ratios are to this x; else to the same
};

double in_seconds(std::chrono::nanoseconds time);

// A ratio as a person says it, rounded down: "more than 50 times". Coarse, so that it stays the
// same from run to run.
std::string more_than_times(double ratio);
std::string times(double ratio);        // "3.4 times"
std::string plain_number(double);       // 12,345
std::string microseconds_text(double);  // "12.3" for 12,300 ns

// The experiments, in the order in which they are run; each in a file of its own.
extern const BenchExperiment waiting_experiment;
extern const BenchExperiment threads_experiment;
extern const BenchExperiment wakeup_experiment;
extern const BenchExperiment idle_experiment;
extern const BenchExperiment switches_experiment;
extern const BenchExperiment upstream_experiment;
extern const BenchExperiment cpu_experiment;
extern const BenchExperiment churn_experiment;
extern const BenchExperiment cores_experiment;
const std::vector<const BenchExperiment*>& bench_experiments();
