#include "tests/measure/bench/lineup.hpp"

#include <thread>

#include "tests/kit/reading.hpp"
#include "tests/measure/text_table.hpp"

void Lineup::enter(const BenchModel& model, double x, const std::function<Contender()>& start) {
  if (!bench_.is_here(model)) return;
  bench_.results.mention(model.name);
  (void)bench_.attempt(
      model, x, [&] { runners_.push_back(std::make_unique<Runner>(loop_, model, x, start())); });
}

void Lineup::enter(const std::vector<BenchModel>& models, const ChildProcess::Arguments& more) {
  for (const BenchModel& model : models) enter(model, 0, [&] { return bench_.start(model, more); });
}

void Lineup::go_to(double x) {
  for (const auto& runner : runners_) runner->x = x;
}

void Lineup::visit(Runner& runner, std::size_t clients, const Work& work) {
  if (runner.failed) return;
  if (!runner.can_hold(clients))
    return bench_.note(runner.model.name + " takes part with at most " +
                       with_commas(runner.model.most_clients) +
                       (runner.model.most_clients == 1 ? " client" : " clients"));
  runner.failed = !bench_.attempt(runner.model, runner.x, [&] { work(runner); });
}

void Lineup::for_each(std::size_t clients, const Work& work) {
  for (const auto& runner : runners_) visit(*runner, clients, work);
}

void Lineup::take_turns(std::size_t clients, const Work& work) {
  take_turns(clients, bench_.repeats(), work);
}

void Lineup::take_turns(std::size_t clients, std::size_t repeats, const Work& work) {
  bench_.interleave(runners_.size(), repeats, [&](std::size_t repeat, std::size_t i) {
    bench_.progress("repeat " + std::to_string(repeat + 1) + " of " + std::to_string(repeats) +
                    ": " + runners_[i]->model.name);
    visit(*runners_[i], clients, work);
  });
}

void Lineup::stop() {
  for_each(0, [](Runner& runner) {
    runner.clients.leave();
    Bench::stop(runner.server);
  });
}

void wait_until_quiet(Contender& server) {
  constexpr std::uint64_t quiet = 300'000;  // nanoseconds of CPU in 20 ms
  auto before = read_activity(server.process.pid()).cpu_nanoseconds;
  for (int i = 0; i < 50 && before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto now = read_activity(server.process.pid()).cpu_nanoseconds;
    // Less than before: threads have ended, and have taken their time with them.
    if (!now || (*now >= *before && *now - *before < quiet)) return;
    before = now;
  }
}
