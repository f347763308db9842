#include "tests/measure/trial.hpp"

#include <algorithm>

#include "tests/measure/runner.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

// The difference per client, if both are known.
std::optional<double> growth(std::optional<std::uint64_t> before,
                             std::optional<std::uint64_t> after, std::size_t count) {
  if (!before || !after || count == 0) return std::nullopt;
  return (static_cast<double>(*after) - static_cast<double>(*before)) / static_cast<double>(count);
}

// Each active client asks for its own text first: an answer that went astray would show.
void connect_active(Runner& runner, const TrialPlan& plan, TrialReport& report) {
  runner.clients.ask("/echo/client-#");
  if (runner.can_hold(plan.active)) {
    report.active_served = runner.clients.connect(plan.active);
  } else {
    runner.clients.patience(milliseconds(700));
    report.active_served = runner.clients.connect_as_many(plan.active);
  }
  runner.check("active clients");
  if (report.active_served == 0) throw WorkFailed{"none of the active clients was answered"};
  runner.clients.patience(milliseconds(5000));
  report.threads = runner.reading().threads;
}

void hold_idle(Runner& runner, ClientGroup& idle, std::size_t count, TrialReport& report) {
  const ProcessReading before = runner.reading();
  const auto stacks_before = read_kernel_stacks();
  report.idle = count;
  idle.connect(count);
  runner.check(idle, "idle clients");
  const ProcessReading after = runner.reading();
  report.threads = after.threads;
  report.reserved = growth(before.reserved_bytes, after.reserved_bytes, count);
  report.resident = growth(before.resident_bytes, after.resident_bytes, count);
  report.page_tables = growth(before.page_table_bytes, after.page_table_bytes, count);
  report.kernel_stacks = growth(stacks_before, read_kernel_stacks(), count);
}

void count_requests(Runner& runner, TrialReport& report) {
  runner.clients.ask("/");
  const ActivityReading before = runner.activity();
  const LoadResult result = runner.clients.closed_loop(milliseconds(1000));
  runner.check("/");
  report.per_second = result.per_second();
  report.own_cpu = result.own_cpu;
  report.switches = growth(before.switches, runner.activity().switches, result.all_answers);
}

void measure_latency(Runner& runner, const TrialPlan& plan, TrialReport& report) {
  runner.clients.constant_rate(plan.rate, milliseconds(1500));
  runner.check("/ at a constant rate");
  report.p50 = runner.clients.latencies().quantile(0.5);
  report.p99 = runner.clients.latencies().quantile(0.99);
}

void ask_rows(Runner& runner, TrialReport& report) {
  runner.clients.ask("/row?client-#");
  const ActivityReading before = runner.activity();
  const LoadResult result = runner.clients.closed_loop(milliseconds(1200));
  runner.check("/row");
  const double took = runner.clients.latencies().mean();
  report.row_milliseconds = took / 1e6;
  const auto computing =
      growth(before.cpu_nanoseconds, runner.activity().cpu_nanoseconds, result.all_answers);
  if (computing) report.row_waiting = 1 - *computing / took;
}

void spin(LoadLoop& loop, Runner& runner, const TrialPlan& plan, TrialReport& report) {
  const std::string target = "/spin/" + std::to_string(plan.spin_milliseconds);
  runner.clients.ask("/");
  ClientGroup spinner(loop, runner.server.port);
  spinner.connect(1);
  spinner.ask(target);
  spinner.start_requests(1);
  runner.clients.constant_rate(plan.rate, milliseconds(1000));
  const LoadResult spun = spinner.finish_requests();
  runner.check(spinner, target);
  runner.check("/ beside " + target);
  if (spun.answers != 1) throw WorkFailed{target + ": no answer"};
  report.spin_p99 = runner.clients.latencies().quantile(0.99);
}

}  // namespace

TrialReport try_server(const Program& program, const TrialPlan& plan,
                       const std::function<void(const std::string&)>& say) {
  TrialReport report;
  // The backend, which goes on running, counts among the others: less than a hundredth.
  const OthersReading others;
  say("starting");
  report.failure = failure_of([&] {
    LoadLoop loop;
    // The active clients, and a connection to the backend for each, need descriptors besides.
    const std::size_t most = most_clients(program, 2 * plan.active + 46);
    Runner runner(loop,
                  start_server(plan.directory, program, {"-b", std::to_string(plan.backend_port)}),
                  0, most);
    ClientGroup idle(loop, runner.server.port);
    say(std::to_string(plan.active) + " active clients");
    connect_active(runner, plan, report);
    if (!program.one_client) {
      const std::size_t count = most > 0 ? std::min(most, plan.idle) : plan.idle;
      say(with_commas(count) + " idle clients");
      hold_idle(runner, idle, count, report);
    }
    say("requests per second");
    count_requests(runner, report);
    say("latency at " + with_digits(plan.rate, 0) + " requests per second");
    measure_latency(runner, plan, report);
    say("rows from the backend");
    ask_rows(runner, report);
    say("one that computes");
    if (!program.one_client) spin(loop, runner, plan, report);
    runner.check(idle, "idle clients");  // one that was lost meanwhile has shown by now
    idle.leave();
    say("stopping");
    runner.stop();
  });
  report.others = others.share();
  return report;
}
