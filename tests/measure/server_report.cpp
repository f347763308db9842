#include <algorithm>

#include "tests/measure/demo.hpp"
#include "tests/measure/server.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

// The difference per client, if both are known.
std::optional<double> growth(std::optional<std::uint64_t> before,
                             std::optional<std::uint64_t> after, std::size_t count) {
  if (!before || !after || count == 0) return std::nullopt;
  return (static_cast<double>(*after) - static_cast<double>(*before)) / static_cast<double>(count);
}

// Each active client asks for its own text first: an answer that went astray would show. Those that
// the server cannot hold come, too; how many of them are answered is the finding.
void connect_active(LoadLoop& loop, ServerAtWork& server, const DemoPlan& plan,
                    ServerReport& report) {
  const std::size_t held = server.can_hold(plan.active) ? plan.active : server.most_clients;
  server.clients.ask("/echo/client-#");
  report.active_served = server.clients.connect(held);
  server.check("active clients");
  ClientGroup others(loop, server.port);
  others.timeout(milliseconds(700));
  report.active_served += others.connect(plan.active - held);
  report.threads = server.reading().threads;
}

void hold_idle(ServerAtWork& server, ClientGroup& idle, std::size_t count, ServerReport& report) {
  const ProcessReading before = server.reading();
  const auto stacks_before = read_kernel_stacks();
  report.idle = count;
  idle.connect(count);
  server.check(idle, "idle clients");
  const ProcessReading after = server.reading();
  report.threads = after.threads;
  report.reserved = growth(before.reserved_bytes, after.reserved_bytes, count);
  report.resident = growth(before.resident_bytes, after.resident_bytes, count);
  report.page_tables = growth(before.page_table_bytes, after.page_table_bytes, count);
  report.kernel_stacks = growth(stacks_before, read_kernel_stacks(), count);
}

void count_requests(ServerAtWork& server, ServerReport& report) {
  server.clients.ask("/");
  const ActivityReading before = server.activity();
  const LoadResult result = server.clients.closed_loop(milliseconds(1000));
  server.check("/");
  report.per_second = result.per_second();
  report.own_cpu = result.own_cpu;
  report.switches = growth(before.switches, server.activity().switches, result.all_responses);
}

void measure_latency(ServerAtWork& server, const DemoPlan& plan, ServerReport& report) {
  server.clients.constant_rate(plan.rate, milliseconds(1500));
  server.check("/ at a constant rate");
  report.p50 = server.clients.latencies().quantile(0.5);
  report.p99 = server.clients.latencies().quantile(0.99);
}

void ask_rows(ServerAtWork& server, ServerReport& report) {
  server.clients.ask("/row?client-#");
  const ActivityReading before = server.activity();
  const LoadResult result = server.clients.closed_loop(milliseconds(1200));
  server.check("/row");
  const double took = server.clients.latencies().mean();
  report.row_milliseconds = took / 1e6;
  const auto computing =
      growth(before.cpu_nanoseconds, server.activity().cpu_nanoseconds, result.all_responses);
  if (computing) report.row_waiting = 1 - *computing / took;
}

void spin(LoadLoop& loop, ServerAtWork& server, const DemoPlan& plan, ServerReport& report) {
  server.clients.ask("/");
  const std::string target = "/spin/" + std::to_string(plan.spin_milliseconds);
  server.rate_beside(loop, target, plan.rate, milliseconds(1000));
  report.spin_p99 = server.clients.latencies().quantile(0.99);
}

}  // namespace

ServerReport try_server(const Program& program, const DemoPlan& plan,
                        const std::function<void(const std::string&)>& say) {
  ServerReport report;
  report.name = program.name;
  // The backend, which goes on running, counts among the others: less than a hundredth.
  const OthersReading others;
  say("starting");
  report.failure = failure_of([&] {
    LoadLoop loop;
    // The active clients, and a connection to the backend for each, need descriptors besides.
    const std::size_t most = most_clients(program, 2 * plan.active + 46);
    ServerAtWork server(
        loop, start_server(plan.directory, program, {"-b", std::to_string(plan.backend_port)}), 0,
        most);
    ClientGroup idle(loop, server.port);
    say(std::to_string(plan.active) + " active clients");
    connect_active(loop, server, plan, report);
    if (!program.one_client) {
      const std::size_t count = most > 0 ? std::min(most, plan.idle) : plan.idle;
      say(with_commas(count) + " idle clients");
      hold_idle(server, idle, count, report);
    }
    say("requests per second");
    count_requests(server, report);
    say("latency at " + with_digits(plan.rate, 0) + " requests per second");
    measure_latency(server, plan, report);
    say("rows from the backend");
    ask_rows(server, report);
    say("one that computes");
    if (!program.one_client) spin(loop, server, plan, report);
    server.check(idle, "idle clients");  // one that was lost meanwhile has shown by now
    idle.leave();
    say("stopping");
    server.stop();
  });
  report.others = others.share();
  return report;
}
