#include "tests/measure/bench/bench.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "tests/kit/interruption.hpp"
#include "tests/measure/text_table.hpp"

Nanoseconds slice_for(std::size_t clients) {
  return std::chrono::milliseconds(clients >= 1000 ? 60 : 25);
}

std::vector<ServerPlan> plans(Models wanted, std::size_t besides, std::size_t descriptors_each) {
  std::vector<ServerPlan> found;
  for (const Program& program : programs())
    if ((program.model & wanted) != 0)
      found.push_back(
          {program.name, program, {}, most_clients(program, besides, descriptors_each)});
  return found;
}

BenchRun::BenchRun(const BenchSettings& settings, const BenchExperiment& experiment)
    : results(experiment.x_name, experiment.reference, experiment.reference_x),
      settings_(settings),
      budget_(settings.quick ? experiment.seconds.quick : experiment.seconds.whole) {}

void BenchRun::interleave(std::size_t count, std::size_t repeats,
                          const std::function<void(std::size_t, std::size_t)>& work) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    if (repeat >= fewest_repeats() && in_seconds(LoadClock::now() - start_) > overrun * budget_) {
      note("a busy machine: only " + std::to_string(repeat) + " repeats of some of it");
      return;
    }
    std::shuffle(order.begin(), order.end(), random_);
    for (const std::size_t i : order) {
      throw_if_interrupted();
      work(repeat, i);
    }
  }
}

bool BenchRun::attempt(const std::string& model, double x, const std::function<void()>& work) {
  const std::string reason = failure_of(work);
  if (!reason.empty()) results.fail(model, x, reason);
  return reason.empty();
}

void BenchRun::progress(const std::string& what) const {
  const auto passed = in_seconds(LoadClock::now() - start_);
  say_progress("  " + with_digits(passed, 0) + " of about " + with_digits(budget_, 0) +
               " s: " + what);
}

bool BenchRun::is_here(const ServerPlan& plan) {
  if (access((directory() + "/" + plan.program.name).c_str(), X_OK) == 0) return true;
  note(std::string("there is no ") + plan.program.name + " here, so it takes no part");
  return false;
}

void BenchRun::add_rate(const ServerAtWork& server, const LoadResult& result) {
  add(server, "per_second", result.per_second());
  add(server, "generator_cpu", result.own_cpu);
  note_own_cpu(result);
}

void BenchRun::add_slice(ServerAtWork& server, Nanoseconds slice,
                         std::optional<std::uint64_t> (*cpu)(pid_t process)) {
  const auto before = cpu(server.process.pid());
  const LoadResult result = server.clients.closed_loop(slice);
  const auto after = cpu(server.process.pid());
  server.check("/");
  add_rate(server, result);
  if (before && after && result.all_responses > 0)
    add(server, "cpu_us",
        static_cast<double>(*after - *before) / 1e3 / static_cast<double>(result.all_responses));
}

void BenchRun::note_own_cpu(const LoadResult& result) {
  own_cpu_ = std::max(own_cpu_, result.own_cpu);
}

void BenchRun::note_saturation() {
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

void BenchRun::note(const std::string& text) {
  if (std::find(notes_.begin(), notes_.end(), text) == notes_.end()) notes_.push_back(text);
}

void BenchRun::print(const std::string& text) const {
  std::fputs(text.c_str(), stdout);
}

void BenchRun::print_table(const std::string& title, const std::string& metric,
                           const NumberFormat& format) const {
  print(title + ":\n" + results.table(metric, format));
}

void BenchRun::verdict(bool holds, const std::string& sentence) {
  verdict_ = (holds ? "it holds. " : "it does NOT hold here. ") + sentence;
  print(folded("VERDICT: " + verdict_));
}

void BenchRun::verdict_impossible(const std::string& reason) {
  verdict_ = "none, because " + reason;
  print(folded("VERDICT: " + verdict_));
}

void BenchRun::print_indented(const std::string& text) const {
  print(folded(text, "  "));
}

ServerAtWork* Lineup::enter(const std::string& name, double x, std::size_t most_clients,
                            const std::function<Server()>& start) {
  bench_.results.mention(name);
  const auto work = [&] {
    servers_.push_back(std::make_unique<ServerAtWork>(loop_, start(), x, most_clients));
    servers_.back()->name = name;
  };
  return bench_.attempt(name, x, work) ? servers_.back().get() : nullptr;
}

ServerAtWork* Lineup::enter(const ServerPlan& plan, double x, const ChildProcess::Arguments& more) {
  if (!bench_.is_here(plan)) return nullptr;
  ChildProcess::Arguments arguments = plan.more;
  arguments.insert(arguments.end(), more.begin(), more.end());
  return enter(plan.name, x, plan.most_clients,
               [&] { return start_server(bench_.directory(), plan.program, arguments); });
}

void Lineup::enter(const std::vector<ServerPlan>& models, const ChildProcess::Arguments& more) {
  for (const ServerPlan& plan : models) enter(plan, 0, more);
}

void Lineup::go_to(double x) {
  for (const auto& server : servers_) server->x = x;
}

void Lineup::visit(ServerAtWork& server, std::size_t clients, const Work& work) {
  if (server.failed) return;
  if (!server.can_hold(clients))
    return bench_.note(server.name + " takes part with at most " +
                       with_commas(server.most_clients) +
                       (server.most_clients == 1 ? " client" : " clients"));
  server.failed = !bench_.attempt(server.name, server.x, [&] { work(server); });
}

void Lineup::for_each(std::size_t clients, const Work& work) {
  for (const auto& server : servers_) visit(*server, clients, work);
}

void Lineup::take_turns(std::size_t clients, std::size_t repeats, const Work& work) {
  bench_.interleave(servers_.size(), repeats, [&](std::size_t repeat, std::size_t i) {
    bench_.progress("repeat " + std::to_string(repeat + 1) + " of " + std::to_string(repeats) +
                    ": " + servers_[i]->name);
    visit(*servers_[i], clients, work);
  });
}

void Lineup::stop() {
  for_each(0, [](ServerAtWork& server) { server.stop(); });
}

std::string times(double ratio) {
  return (ratio < 9.95 ? with_digits(ratio, ratio < 0.995 ? 2 : 1) : plain_number(ratio)) +
         " times";
}

std::string times(const Spread& ratio) {
  constexpr double agreement = 1.15;
  const std::string most = times(ratio.high);
  if (ratio.high <= agreement * ratio.low) return times(ratio.median);
  const std::string least = times(ratio.low);
  return least.substr(0, least.find(' ')) + " to " + most;
}

std::string plain_number(double number) {
  return with_commas(static_cast<std::uint64_t>(std::llround(std::max(0.0, number))));
}

std::string one_digit(double value) {
  return with_digits(value, 1);
}

std::string two_digits(double value) {
  return with_digits(value, 2);
}
