#include "tests/measure/trial.hpp"

#include <unistd.h>

#include "common/signals.hpp"
#include "tests/kit/child_process.hpp"
#include "tests/kit/reading.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

// The difference per client, if both are known.
std::optional<double> growth(std::optional<std::uint64_t> before,
                             std::optional<std::uint64_t> after, std::size_t count) {
  if (!before || !after || count == 0) return std::nullopt;
  return (static_cast<double>(*after) - static_cast<double>(*before)) / static_cast<double>(count);
}

// One server's trial, step by step. Each step throws Failed when the server does not do its work.
struct Failed {
  std::string what;
};

class Trial {
 public:
  Trial(const Model& model, const TrialPlan& plan,
        const std::function<void(const std::string&)>& say)
      : model_(model),
        plan_(plan),
        say_(say),
        server_(command(model, plan)),
        port_(server_.wait_until_ready(milliseconds(5000))),
        active_(loop_, port_),
        idle_(loop_, port_),
        spinner_(loop_, port_) {}

  void run(TrialReport& report) {
    connect_active(report);
    if (!model_.one_client_only) hold_idle(report);
    count_requests(report);
    measure_latency(report);
    ask_rows(report);
    if (!model_.one_client_only) spin(report);
    leave();
  }

  // In one line: what failed, and whether the server has ended.
  std::string explain(const std::string& what) {
    const auto end = server_.has_ended();
    std::string line = what;
    if (end) line += "; the server " + *end;
    const std::string words = server_.last_words();
    if (!words.empty()) line += "; it said: " + words;
    return line;
  }

 private:
  static ChildProcess::Arguments command(const Model& model, const TrialPlan& plan) {
    const std::string program = plan.directory + "/" + model.name;
    if (access(program.c_str(), X_OK) != 0) throw StartFailed(program + " is missing: make it");
    ChildProcess::Arguments all{
        program, "-p", "0", "-t", "600", "-b", std::to_string(plan.backend_port)};
    if (model.name == "thread_per_connection") all.insert(all.end(), {"-n", "1000000"});
    return all;
  }

  static void check(const ClientGroup& group, const std::string& work) {
    if (stop_requested()) throw Interrupted();
    if (group.failed()) throw Failed{work + ": " + group.failure()};
  }

  // Each active client asks for its own text first: an answer that went astray would show.
  void connect_active(TrialReport& report) {
    say_(std::to_string(plan_.active) + " active clients");
    active_.ask("/echo/client-#");
    if (model_.one_client_only) {
      active_.patience(milliseconds(700));
      report.active_served = active_.connect_as_many(plan_.active);
    } else {
      report.active_served = active_.connect(plan_.active);
    }
    check(active_, "active clients");
    if (report.active_served == 0) throw Failed{"none of the active clients was answered"};
    active_.patience(milliseconds(5000));
    report.threads = read_process(server_.pid()).threads;
  }

  void hold_idle(TrialReport& report) {
    say_(with_commas(plan_.idle) + " idle clients");
    const ProcessReading before = read_process(server_.pid());
    const auto stacks_before = read_kernel_stacks();
    report.idle = plan_.idle;
    idle_.connect(plan_.idle);
    check(idle_, "idle clients");
    const ProcessReading after = read_process(server_.pid());
    report.threads = after.threads;
    report.reserved = growth(before.reserved_bytes, after.reserved_bytes, plan_.idle);
    report.resident = growth(before.resident_bytes, after.resident_bytes, plan_.idle);
    report.page_tables = growth(before.page_table_bytes, after.page_table_bytes, plan_.idle);
    report.kernel_stacks = growth(stacks_before, read_kernel_stacks(), plan_.idle);
  }

  void count_requests(TrialReport& report) {
    say_("requests per second");
    active_.ask("/");
    const ActivityReading before = read_activity(server_.pid());
    const LoadResult result = active_.closed_loop(milliseconds(1000));
    check(active_, "/");
    const ActivityReading after = read_activity(server_.pid());
    report.per_second = result.per_second();
    report.own_cpu = result.own_cpu;
    report.switches = growth(before.switches, after.switches, result.all_answers);
  }

  void measure_latency(TrialReport& report) {
    say_("latency at " + with_digits(plan_.rate, 0) + " requests per second");
    active_.constant_rate(plan_.rate, milliseconds(1500));
    check(active_, "/ at a constant rate");
    report.p50 = active_.latencies().quantile(0.5);
    report.p99 = active_.latencies().quantile(0.99);
  }

  void ask_rows(TrialReport& report) {
    say_("rows from the backend");
    active_.ask("/row?client-#");
    const ActivityReading before = read_activity(server_.pid());
    const LoadResult result = active_.closed_loop(milliseconds(1200));
    check(active_, "/row");
    const ActivityReading after = read_activity(server_.pid());
    const double took = active_.latencies().mean();
    report.row_milliseconds = took / 1e6;
    const auto computing =
        growth(before.cpu_nanoseconds, after.cpu_nanoseconds, result.all_answers);
    if (computing) report.row_waiting = 1 - *computing / took;
  }

  void spin(TrialReport& report) {
    const std::string target = "/spin/" + std::to_string(plan_.spin_milliseconds);
    say_("one " + target);
    active_.ask("/");
    spinner_.connect(1);
    spinner_.ask(target);
    spinner_.start_requests(1);
    active_.constant_rate(plan_.rate, milliseconds(1000));
    const LoadResult spun = spinner_.finish_requests();
    check(spinner_, target);
    check(active_, "/ beside " + target);
    if (spun.answers != 1) throw Failed{target + ": no answer"};
    report.spin_p99 = active_.latencies().quantile(0.99);
  }

  void leave() {
    check(idle_, "idle clients");  // one that was lost meanwhile has shown by now
    active_.leave();
    idle_.leave();
    spinner_.leave();
    say_("stopping");
    if (!server_.stop()) throw Failed{"did not end cleanly at SIGTERM"};
  }

  const Model& model_;
  const TrialPlan& plan_;
  const std::function<void(const std::string&)>& say_;
  ChildProcess server_;
  std::uint16_t port_;
  LoadLoop loop_;
  ClientGroup active_;
  ClientGroup idle_;
  ClientGroup spinner_;
};

}  // namespace

TrialReport try_model(const Model& model, const TrialPlan& plan,
                      const std::function<void(const std::string&)>& say) {
  TrialReport report;
  // The backend, which goes on running, counts among the others: less than a hundredth.
  const OthersReading others;
  say("starting");
  try {
    Trial trial(model, plan, say);
    try {
      trial.run(report);
    } catch (const Failed& failure) {
      if (stop_requested()) throw Interrupted();
      report.failure = trial.explain(failure.what);
    }
  } catch (const StartFailed& failure) {
    if (stop_requested()) throw Interrupted();
    report.failure = failure.what();
  }
  report.others = others.share();
  return report;
}
