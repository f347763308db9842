// bench.hpp — what all experiments share.
//
// An experiment is data and two functions: it runs, and then reports: tables, and a verdict
// that is computed from the numbers. A shared machine changes speed within seconds. So nobody is
// measured first and somebody else later: all servers run at once, in each repeat every one has a
// short slice of load, in a new random order, and ratios are taken within a repeat
// (Results::ratio). While one has its slice the others sleep. Medians count.
//
// Gives: the settings of this run, a progress line, the servers of a comparison, the verdict.
// Do:    add the same samples in every turn, one for each metric: that is what pairs them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/measure/bench/results.hpp"
#include "tests/measure/server.hpp"

struct BenchSettings {
  std::string directory;  // of the programs
  std::string output;     // of the CSV files; empty: none
  bool quick = false;
  bool keeps = false;  // numbers that will be quoted: measured alone, or not at all
};

// One server, as an experiment starts it.
struct ServerPlan {
  std::string name;  // in tables
  Program program;
  ChildProcess::Arguments more;
  std::size_t most_clients = 0;  // 0: as many as the machine allows
};

// 25 ms of load; 60 ms at 1,000 connections, where one round takes longer.
Nanoseconds slice_for(std::size_t clients);

// The servers of these models, in the tables' order, if each client takes so many descriptors and
// the server has others besides: the clients who ask, for example.
std::vector<ServerPlan> plans(Models wanted, std::size_t besides = 84,
                              std::size_t descriptors_each = 1);

// What a number is to reach, for a table of targets.
struct Finding {
  std::string what;      // "event_loop / floor_epoll"
  std::string measured;  // "0.983"
  std::string target;    // "at least 0.97"; empty: for information
  bool reached = true;
  std::string detail;
};

struct BenchExperiment;

class BenchRun {
 public:
  BenchRun(const BenchSettings& settings, const BenchExperiment& experiment);

  bool quick() const { return settings_.quick; }
  const std::string& directory() const { return settings_.directory; }
  std::size_t repeats() const { return quick() ? 3 : 7; }
  // One value for `make bench QUICK=1`, another for the whole run.
  template <class Value>
  Value choose(Value quick_one, Value whole) const {
    return quick() ? quick_one : whole;
  }

  // Runs `work(repeat, i)` for each repeat and each i, in a new random order each time.
  void interleave(std::size_t count, std::size_t repeats,
                  const std::function<void(std::size_t, std::size_t)>& work);
  // Runs a piece of work that needs a server. What goes wrong is kept as this model's failure at x.
  // True: nothing did.
  bool attempt(const std::string& model, double x, const std::function<void()>& work);
  // Is the program there? A handout may lack one. That it does is noted.
  bool is_here(const ServerPlan& plan);

  // On a terminal, one line: how long it has taken, how long it may take, what is being done.
  void progress(const std::string& what) const;
  // Seconds that this experiment takes on a quiet machine.
  double budget() const { return budget_; }
  void add(const ServerAtWork& server, const std::string& metric, double value) {
    results.add(server.name, server.x, metric, value);
  }
  // A rate, and the generator's share of a CPU while it was measured: "per_second" and
  // "generator_cpu".
  void add_rate(const ServerAtWork& server, const LoadResult& result);
  // Asks without pause for so long, and adds the rate and, by what `cpu` says of the process before
  // and after, "cpu_us": microseconds of CPU for an answer.
  void add_slice(ServerAtWork& server, Nanoseconds slice,
                 std::optional<std::uint64_t> (*cpu)(pid_t process));
  // The same share of a run that has no rate to tell.
  void note_own_cpu(const LoadResult& result);
  void note(const std::string& text);

  // -- for the report --
  void print(const std::string& text) const;
  void print_table(const std::string& title, const std::string& metric,
                   const NumberFormat& format) const;
  // A sentence that begins with "It holds" or "It does not hold". Keep exact numbers out of it:
  // on a quiet machine it is to be the same every time.
  void verdict(bool holds, const std::string& sentence);
  void verdict_impossible(const std::string& reason);
  // Beneath it: the exact numbers, and what else is to be known.
  void print_indented(const std::string& text) const;

  Results results;
  std::vector<Finding> findings;
  const std::vector<std::string>& notes() const { return notes_; }
  const std::string& verdict() const { return verdict_; }
  // Notes what the generator itself took, if somebody has told it, and marks the rates at which it
  // was saturated.
  void note_saturation();

 private:
  // On a machine that others use, an experiment ends with fewer repeats rather than very late.
  std::size_t fewest_repeats() const { return choose<std::size_t>(3, 5); }
  static constexpr double overrun = 1.5;  // of the budget
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

// The servers of one experiment. One that fails is told and takes no further part.
class Lineup {
 public:
  using Work = std::function<void(ServerAtWork&)>;

  explicit Lineup(BenchRun& bench) : bench_(bench) {}

  // Starts one more, whose samples belong to x. If that fails, it is kept as its failure.
  ServerAtWork* enter(const std::string& name, double x, std::size_t most_clients,
                      const std::function<Server()>& start);
  ServerAtWork* enter(const ServerPlan& plan, double x = 0,
                      const ChildProcess::Arguments& more = {});
  void enter(const std::vector<ServerPlan>& models, const ChildProcess::Arguments& more = {});
  // Samples belong to x from now on.
  void go_to(double x);
  // Everybody who can hold so many clients, once.
  void for_each(std::size_t clients, const Work& work);
  // The same in each repeat, in a new random order.
  void take_turns(std::size_t clients, std::size_t repeats, const Work& work);
  // Clients leave, servers end.
  void stop();

  LoadLoop& loop() { return loop_; }
  const std::vector<std::unique_ptr<ServerAtWork>>& servers() const { return servers_; }

 private:
  void visit(ServerAtWork& server, std::size_t clients, const Work& work);

  BenchRun& bench_;
  LoadLoop loop_;
  std::vector<std::unique_ptr<ServerAtWork>> servers_;
};

struct BenchExperiment {
  std::string name;
  std::string claim;   // one sentence
  std::string x_name;  // what is varied, as the CSV calls it
  // That it takes on a quiet machine which allows all that it wishes for.
  struct {
    double quick;
    double whole;
  } seconds;
  std::function<void(BenchRun&)> run;
  std::function<void(BenchRun&)> report;
  std::string reference = "event_loop";              // the model that ratios are taken to
  std::optional<double> reference_x = std::nullopt;  // ratios are to this x; else to the same
};
using Experiments = std::vector<BenchExperiment>;

// Runs what the command line asks for of these, and reports it. The exit status.
int run_experiments(const char* name, const char* about, const Experiments& all, int argc,
                    char** argv);

std::string times(double ratio);  // "3.4 times"
// The same of a ratio that was taken in each repeat: "3.4 times" where the middle half of them
// agree within 15%, "1.6 to 2.3 times" where they do not. Another run then finds the like.
std::string times(const Spread& ratio);
std::string plain_number(double);  // 12,345
std::string one_digit(double);     // 12.3
std::string two_digits(double);    // 12.34
