#include "tests/measure/bench/bench.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <numeric>

#include "common/error.hpp"
#include "common/signals.hpp"
#include "tests/measure/text_table.hpp"

namespace {}  // namespace

const std::vector<BenchModel>& many_client_models() {
  static const std::vector<BenchModel> models = {
      {"thread_per_connection", "thread_per_connection", {"-n", "1000000"}, 0},
      // An fd_set has room for descriptors below 1,024, and 64 more clients may come.
      {"select_loop", "select_loop", {}, 940},
      {"poll_loop", "poll_loop", {}, 0},
      {"event_loop", "event_loop", {}, 0},
      {"await_loop", "await_loop", {}, 0},
  };
  return models;
}

const BenchModel& one_at_a_time_model() {
  static const BenchModel model = {"one_at_a_time", "one_at_a_time", {}, 1};
  return model;
}

const std::vector<const BenchExperiment*>& bench_experiments() {
  static const std::vector<const BenchExperiment*> all = {
      &waiting_experiment, &threads_experiment,  &wakeup_experiment,
      &idle_experiment,    &switches_experiment, &upstream_experiment,
      &cpu_experiment,     &churn_experiment,    &cores_experiment};
  return all;
}

Bench::Bench(const BenchSettings& settings, const BenchExperiment& experiment)
    : results(experiment.x_name, experiment.reference, experiment.reference_x),
      settings_(settings),
      budget_(experiment.seconds(*this)) {}

void Bench::interleave(std::size_t count, const NumberedWork& work) {
  interleave(count, repeats(), work);
}

void Bench::interleave(std::size_t count, std::size_t repeats, const NumberedWork& work) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    if (repeat >= fewest_repeats() && in_seconds(LoadClock::now() - start_) > patience * budget_) {
      note("a busy machine: only " + std::to_string(repeat) + " repeats of some of it");
      return;
    }
    std::shuffle(order.begin(), order.end(), random_);
    for (const std::size_t i : order) {
      if (stop_requested()) throw Interrupted();
      work(repeat, i);
    }
  }
}

void Bench::interleave(const std::vector<BenchModel>& models,
                       const std::function<void(std::size_t, const BenchModel&)>& work) {
  std::vector<BenchModel> here;
  std::copy_if(models.begin(), models.end(), std::back_inserter(here),
               [&](const BenchModel& model) { return is_here(model); });
  for (const BenchModel& model : here) results.mention(model.name);
  interleave(here.size(), [&](std::size_t repeat, std::size_t i) {
    progress("repeat " + std::to_string(repeat + 1) + " of " + std::to_string(repeats()) + ": " +
             here[i].name);
    work(repeat, here[i]);
  });
}

bool Bench::attempt(const BenchModel& model, double x, const std::function<void()>& work) {
  std::string reason;
  try {
    work();
    return true;
  } catch (const WorkFailed& failure) {
    reason = failure.reason;
  } catch (const StartFailed& failure) {
    reason = failure.what();
  } catch (const CallFailed& failure) {
    reason = std::string("in this generator: ") + failure.what();
  }
  if (stop_requested()) throw Interrupted();
  results.fail(model.name, x, reason);
  return false;
}

Contender Bench::start(const BenchModel& model, const ChildProcess::Arguments& more) const {
  ChildProcess::Arguments arguments{"-p", "0", "-t", "600"};
  arguments.insert(arguments.end(), model.more.begin(), model.more.end());
  arguments.insert(arguments.end(), more.begin(), more.end());
  return start_contender(settings_.directory, model.program, arguments);
}

void Bench::check(const ClientGroup& clients, const std::string& work, Contender& server) {
  if (stop_requested()) throw Interrupted();
  if (!clients.failed()) return;
  const auto end = server.process.has_ended();
  const std::string words = server.process.last_words();
  throw WorkFailed{work + ": " + clients.failure() + (end ? "; the server " + *end : "") +
                   (words.empty() ? "" : "; it said: " + words)};
}

void Bench::stop(Contender& server) {
  if (!server.process.stop()) throw WorkFailed{"did not end cleanly at SIGTERM"};
}

// On a terminal one line that changes; elsewhere nothing: the heading has been printed.
void Bench::progress(const std::string& what) const {
  static const bool terminal = can_redraw(STDERR_FILENO);
  if (!terminal) return;
  if (what.empty()) {
    std::fputs("\r\033[K", stderr);
    return;
  }
  std::fprintf(stderr, "\r  %.0f of about %.0f s: %s\033[K", in_seconds(LoadClock::now() - start_),
               budget_, what.c_str());
}

bool Bench::is_here(const BenchModel& model) {
  if (access((directory() + "/" + model.program).c_str(), X_OK) == 0) return true;
  note("there is no " + model.program + " here, so it takes no part");
  return false;
}

void Bench::add_rate(const std::string& model, double x, const LoadResult& result) {
  results.add(model, x, "per_second", result.per_second());
  results.add(model, x, "generator_cpu", result.own_cpu);
  note_own_cpu(result);
}

void Bench::note_own_cpu(const LoadResult& result) {
  own_cpu_ = std::max(own_cpu_, result.own_cpu);
}

void Bench::note_saturation() {
  if (own_cpu_ == 0) return;
  std::string limited;
  for (const std::string& model : results.models())
    for (const double x : results.points("generator_cpu")) {
      if (results.find(model, x, "generator_cpu").value_or(0) <= saturated_share) continue;
      for (const char* rate : {"per_second", "of_the_law"}) results.mark(model, x, rate);
      limited += (limited.empty() ? "" : "; ") + model + " at " + plain_number(x);
    }
  note("the load generator used up to " + in_percent(own_cpu_) + " of a CPU" +
       (limited.empty() ? "" : "; *: SATURATED, so that the rate may be its own: " + limited));
}

void Bench::note(const std::string& text) {
  if (std::find(notes_.begin(), notes_.end(), text) == notes_.end()) notes_.push_back(text);
}

void Bench::print(const std::string& text) const {
  std::fputs(text.c_str(), stdout);
}

void Bench::verdict(bool holds, const std::string& sentence) {
  verdict_ = (holds ? "it holds. " : "it does NOT hold here. ") + sentence;
  print(wrapped("VERDICT: " + verdict_, screen_width, ""));
}

void Bench::verdict_impossible(const std::string& reason) {
  verdict_ = "none, because " + reason;
  print(wrapped("VERDICT: " + verdict_, screen_width, ""));
}

void Bench::numbers(const std::string& sentence) {
  print(wrapped(sentence, screen_width, "  "));
}

double in_seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

std::string more_than_times(double ratio) {
  if (!(ratio >= 1.5)) return "less than 1.5 times";
  double step = 1.5;
  for (int size = 1; size < 1'000'000'000; size *= 10)
    for (const double digit : {2.0, 3.0, 5.0, 10.0})
      if (digit * size <= ratio) step = digit * size;
  return "more than " + (step == 1.5 ? std::string("1.5") : plain_number(step)) + " times";
}

std::string times(double ratio) {
  return (ratio < 9.95 ? with_digits(ratio, ratio < 0.995 ? 2 : 1) : plain_number(ratio)) +
         " times";
}

std::string plain_number(double number) {
  return with_commas(static_cast<std::uint64_t>(std::llround(std::max(0.0, number))));
}

std::string microseconds_text(double nanoseconds) {
  const double value = nanoseconds / 1000;
  return value < 9.995   ? with_digits(value, 2)
         : value < 99.95 ? with_digits(value, 1)
                         : plain_number(value);
}
