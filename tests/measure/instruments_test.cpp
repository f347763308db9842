// The instruments, tried on what is known beforehand: exact quantiles, known amounts of memory, a
// known number of sleeps, a server with a planted stall, servers that fail.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/socket.hpp"
#include "tests/kit/child_process.hpp"
#include "tests/kit/containment.hpp"
#include "tests/kit/forked.hpp"
#include "tests/kit/reading.hpp"
#include "tests/kit/sockets.hpp"
#include "tests/measure/client_group.hpp"
#include "tests/measure/counted.hpp"
#include "tests/measure/demo.hpp"
#include "tests/measure/histogram.hpp"
#include "tests/measure/programs.hpp"
#include "tests/measure/server.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

// Answers every recv with what `answer` says; an empty answer closes. One thread, one poll: a stall
// in `answer` stalls everybody.
using Answering = std::function<std::string(std::size_t number)>;

int serve_with(int listener, const Answering& response) {
  std::vector<pollfd> watched{{listener, POLLIN, 0}};
  for (std::size_t number = 1;;) {
    if (poll(watched.data(), static_cast<nfds_t>(watched.size()), -1) < 0) return 1;
    for (std::size_t i = watched.size(); i-- > 1;) {
      if (watched[i].revents == 0) continue;
      std::array<char, 4096> room;
      const ssize_t count = recv(watched[i].fd, room.data(), room.size(), 0);
      const std::string bytes = count > 0 ? response(number++) : "";
      if (!bytes.empty()) (void)send_some(watched[i].fd, bytes);
      if (!bytes.empty()) continue;
      close(watched[i].fd);
      watched.erase(watched.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (watched[0].revents == 0) continue;
    const int client = accept(listener, nullptr, nullptr);
    if (client >= 0) watched.push_back({client, POLLIN, 0});
  }
}

// Such a server in a process of its own.
class PlantedServer {
 public:
  explicit PlantedServer(const Answering& response)
      : listener_(listen_on("127.0.0.1", 0)),
        process_([&] { return serve_with(listener_.fd(), response); }) {}

  std::uint16_t port() const { return local_port(listener_.fd()); }

 private:
  Descriptor listener_;
  Forked process_;
};

std::string good_response(const std::string& body = "ok") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Of two clients whose server always answers this.
std::string failure_against(const std::string& response, const std::string& target = "/") {
  const PlantedServer server([&](std::size_t) { return response; });
  LoadLoop loop;
  ClientGroup clients(loop, server.port());
  clients.timeout(milliseconds(300));
  clients.ask(target);
  clients.connect(2);
  return clients.failure();
}

bool holds(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("histogram: quantiles agree with exact ones within the stated bound") {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latency(11, 2);  // half of them above 60 microseconds
  Histogram histogram;
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(static_cast<std::uint64_t>(latency(random)));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    CAPTURE(q);
    const double rank = std::max(std::ceil(q * static_cast<double>(values.size())), 1.0);
    const auto exact = static_cast<double>(values[static_cast<std::size_t>(rank) - 1]);
    CHECK(std::abs(histogram.quantile(q) - exact) <= exact * Histogram::error_bound + 1e-9);
  }
  CHECK(histogram.max() == values.back());
  CHECK(histogram.count() == values.size());
  INFO("longer than an hour is an hour, and none is none");
  histogram.record(~std::uint64_t{0});
  CHECK(histogram.quantile(1) > 3.5e12);
  CHECK(Histogram().quantile(0.5) == 0);
}

TEST_CASE("answers: right however they are cut, and known byte for byte") {
  std::string text = good_response("000000000000000\n000000000000016\n00000000");
  const Expectation expected = expected_response("/bytes/40");
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    CAPTURE(cut);
    ResponseCheck check;
    CHECK(check.take(text.substr(0, cut), expected) == cut);
    CHECK(check.take(text.substr(cut) + "HTTP", expected) == text.size() - cut);
    CHECK(check.finished());
    CHECK(check.problem() == "");
  }
  ++text[text.rfind('6')];
  ResponseCheck wrong;
  wrong.take(text, expected);
  CHECK(wrong.problem() != "");
}

TEST_CASE("a server that fails its work has no numbers") {
  CHECK(failure_against(good_response()) == "");
  CHECK(holds(failure_against("HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\nx"), "503"));
  CHECK(holds(failure_against(good_response("client-9"), "/echo/client-#"), "body"));
  CHECK(holds(failure_against(good_response() + "more"), "not asked for"));
  CHECK(holds(failure_against(""), "closed"));
  CHECK(holds(failure_against("H"), "0 of 2"));
}

TEST_CASE(
    "a stall of 10 ms in every 20th answer shows at its percentile, and so does who is behind") {
  const PlantedServer server([](std::size_t number) {
    if (number % 20 == 0) std::this_thread::sleep_for(milliseconds(10));
    return good_response();
  });
  LoadLoop loop;
  ClientGroup clients(loop, server.port());
  clients.connect(4);
  // 200 requests a second: the next one is due 5 ms into the stall, and is late by 5 ms. A
  // generator that had waited for the answer first would not have noticed.
  const LoadResult result = clients.constant_rate(200, milliseconds(1500));
  CHECK(clients.failure() == "");
  CHECK(result.responses == 300);
  CHECK(clients.latencies().quantile(0.96) >= 9.95e6);
  CHECK(clients.latencies().quantile(0.92) >= 4.5e6);
}

TEST_CASE("closed loop: the answers are counted, of so many and of so long a time") {
  const PlantedServer server([](std::size_t) { return good_response(); });
  LoadLoop loop;
  ClientGroup clients(loop, server.port());
  clients.connect(3);
  CHECK(clients.closed_loop_requests(100).responses == 100);
  CHECK(clients.closed_loop(milliseconds(10)).per_second() > 0);
  CHECK(clients.failure() == "");
}

namespace {

// A network of this process alone, in which a source address has 100 ports.
bool enter_network_with_few_ports() {
  if (!enter_empty_network()) return false;
  std::ofstream range("/proc/sys/net/ipv4/ip_local_port_range");
  return !(range << "40000 40099" << std::flush).fail();
}

// In a process of its own.
bool serves_many_from_few_ports() try {
  ChildProcess server({program("event_loop"), "-p", "0"});
  LoadLoop loop;
  ClientGroup clients(loop, server.wait_until_ready(std::chrono::seconds(10)));
  clients.ask("/echo/client-#");
  if (clients.connect(350) != 350) return false;
  // Their ports are not free at once (TIME_WAIT): the next ones take other addresses again.
  clients.leave();
  return clients.connect(350) == 350 && server.stop();
} catch (const std::exception& problem) {
  std::fprintf(stderr, "%s\n", problem.what());
  return false;
}

}  // namespace

TEST_CASE("more clients than one source address has ports for") {
  enum Outcome { all_served, not_allowed, not_all_served };
  Forked process([] {
    if (!enter_network_with_few_ports()) return not_allowed;
    return serves_many_from_few_ports() ? all_served : not_all_served;
  });
  const int status = process.wait();
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == not_allowed)
    MESSAGE("this process may not have a network of its own; nothing to check");
  else
    CHECK(WEXITSTATUS(status) == all_served);
}

TEST_CASE("context switches: a process that sleeps 100 times has been switched 100 times") {
  const ActivityReading before = read_activity(getpid());
  if (!before.switches) {
    MESSAGE("this system does not tell; nothing to check");
    return;
  }
  for (int i = 0; i < 100; ++i) std::this_thread::sleep_for(milliseconds(1));
  const ActivityReading after = read_activity(getpid());
  const std::uint64_t forced = *after.forced_switches - *before.forced_switches;
  const std::uint64_t asked_for = *after.switches - *before.switches - forced;
  CHECK(asked_for >= 100);
  CHECK(asked_for <= 103);
  CHECK(*after.cpu_nanoseconds - *before.cpu_nanoseconds < 90'000'000);
}

// The answers of many threads come before strace has seen the end of the calls that sent them.
TEST_CASE("system calls: a thread makes a recv and a send for each answer, and none is missed") {
  if (find_on_path("strace").empty() ||
      access(program("thread_per_connection").c_str(), X_OK) != 0) {
    MESSAGE("strace or thread_per_connection is missing; nothing to check");
    return;
  }
  constexpr std::uint64_t threads = 300;
  Server server = start_program(program("."), "thread_per_connection", {"-p", "0"});
  LoadLoop loop;
  ClientGroup clients(loop, server.port);
  clients.connect(threads);
  // A thread's first malloc reads how many processors there are; strace makes all of them need one.
  (void)count_calls(server.process.pid(), clients, 2 * threads);
  const CallCount counted = count_calls(server.process.pid(), clients, 2 * threads);
  CHECK(clients.failure() == "");
  CHECK(counted.problem == "");
  CHECK(counted.responses == 2 * threads);
  CHECK(counted.calls >= 2 * counted.responses);
  CHECK(counted.calls < 2.1 * static_cast<double>(counted.responses));
}

TEST_CASE("tables: numbers as a person writes them, columns that line up") {
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1234567) == "1,234,567");
  CHECK(in_bytes(112) == "112 B");
  CHECK(in_bytes(8.4 * 1024) == "8.4 KiB");
  CHECK(in_bytes(8.0 * 1024 * 1024) == "8.0 MiB");
  CHECK(in_milliseconds(140'000) == "0.14 ms");
  CHECK(in_milliseconds(189e6) == "189 ms");
  CHECK(in_percent(0.999) == "99.9%");
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 2, 3}) == 2.5);
  TextTable table({"a", "two\nlines"});
  table.add({"row", "1"});
  table.add({"other", "12"});
  CHECK(table.text() == "         two\na      lines\n------------\nrow        1\nother     12\n");
}

namespace {

ServerReport& report_of(DemoFindings& findings, const std::string& server) {
  return *std::find_if(findings.outcomes.begin(), findings.outcomes.end(),
                       [&](const ServerReport& one) { return one.name == server; });
}

// A run of all servers, with numbers as wide as they become, and limits that are met.
DemoFindings wide_findings() {
  ServerReport report;
  report.idle = report.active_served = 50'000;
  report.threads = 50'065;
  report.reserved = report.resident = 8.0 * 1024 * 1024;
  report.page_tables = report.kernel_stacks = 4096;
  report.switches = 0.001;
  report.per_second = 999'999;
  report.own_cpu = 0.999;
  report.p50 = report.p99 = 1e6;
  report.spin_p99 = 60e6;
  report.row_waiting = 0.9997;
  DemoFindings findings;
  for (const Program& program : programs()) {
    report.name = program.name;
    if ((program.model & servers) != 0) findings.outcomes.push_back(report);
  }
  report_of(findings, "thread_per_connection").spin_p99 = 1e6;
  report_of(findings, "poll_loop").own_cpu = 0.5;
  report_of(findings, "select_loop").failure = "/bytes: the 15th of 64 clients was not answered";
  findings.plan.idle = 60'000;
  findings.allowance = {50'000, "the limit of 32,768 stacks (half of vm.max_map_count)"};
  return findings;
}

}  // namespace

TEST_CASE("demo: what it prints fits a terminal of 80 columns") {
  DemoFindings findings = wide_findings();
  for (const double others : {0.0, 0.99}) {
    findings.outcomes[0].others = others;
    std::istringstream lines(demo_report(findings));
    for (std::string line; std::getline(lines, line);) {
      CAPTURE(line);
      CHECK(line.size() <= 80);
    }
  }
}

TEST_CASE("demo: a run that other programs have disturbed says so first, and concludes nothing") {
  DemoFindings findings = wide_findings();
  const std::string quiet = demo_report(findings);
  for (const char* part : {"p99 went from", "times as many", "was waiting for"})
    CHECK(holds(quiet, part));
  CHECK_FALSE(holds(quiet, "OTHER PROGRAMS"));

  report_of(findings, "poll_loop").others = 0.34;  // while one of them was tried
  const std::string disturbed = demo_report(findings);
  CHECK(disturbed.starts_with("OTHER PROGRAMS used up to 34.0%"));
  for (const char* part : {"p99 went from", "times as many", "was waiting for"})
    CHECK_FALSE(holds(disturbed, part));
  INFO("what does not depend on time is still said");
  CHECK(holds(disturbed, "silent clients cost thread_per_connection"));
}

TEST_CASE("demo: a rate that may be the load generator's own says only 'at least', or nothing") {
  DemoFindings findings = wide_findings();
  CHECK(holds(demo_report(findings), "at least 1.0 times as many"));
  CHECK(holds(demo_report(findings), "itself used 99.9% of a CPU"));
  report_of(findings, "poll_loop").own_cpu = 0.999;
  CHECK_FALSE(holds(demo_report(findings), "times as many"));
}

TEST_CASE("demo: nothing is concluded from numbers that say the opposite") {
  DemoFindings findings = wide_findings();
  ServerReport& loop = report_of(findings, "event_loop");
  loop.p99 = 3.17e6;
  loop.spin_p99 = 1.13e6;
  loop.per_second = 10;
  const std::string text = demo_report(findings);
  CHECK_FALSE(holds(text, "p99 went from"));
  CHECK_FALSE(holds(text, "times as many"));
}
