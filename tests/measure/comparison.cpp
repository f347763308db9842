#include "tests/measure/comparison.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "tests/kit/reading.hpp"
#include "tests/measure/contender.hpp"
#include "tests/measure/counted.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/slices.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

// ---- findings

std::string per_second(double rate) {
  return with_commas(static_cast<std::uint64_t>(rate)) + "/s";
}

Finding at_least(const std::string& what, double value, double target, const std::string& detail) {
  return {what, with_digits(value, 3), detail, "at least " + with_digits(target, 2),
          value >= target};
}

Finding at_most(const std::string& what, double value, double target, const std::string& detail) {
  return {what, with_digits(value, 3), detail, "at most " + with_digits(target, 2),
          value <= target};
}

Finding known(const std::string& what, double value, const std::string& detail) {
  return {what, with_digits(value, 3), detail, "", true};
}

// What went wrong, and whether the server has ended over it.
std::string failure_of(Contender& contender, const ClientGroup& clients) {
  const auto end = contender.process.has_ended();
  const std::string words = contender.process.last_words();
  return contender.name + ": " + clients.failure() + (end ? "; the server " + *end : "") +
         (words.empty() ? "" : "; it said: " + words);
}

// ---- throughput: several servers at once, slice by slice

// A server with its clients, and what each of its slices cost it.
struct Entrant {
  Entrant(LoadLoop& loop, Contender running)
      : contender(std::move(running)), clients(loop, contender.port), idle(loop, contender.port) {}

  // CPU time of the slice that has just ended.
  void read_clock() {
    const auto now = read_activity(contender.process.pid()).cpu_nanoseconds;
    if (in_slice && now && before) cpu.push_back(static_cast<double>(*now - *before));
    before = now;
    in_slice = !in_slice;
  }

  Contender contender;
  ClientGroup clients;
  ClientGroup idle;
  Slices slices;
  std::vector<double> cpu;  // nanoseconds, by cycle
  std::optional<std::uint64_t> before;
  bool in_slice = false;
};

class Race {
 public:
  explicit Race(std::string directory) : directory_(std::move(directory)) {}

  Entrant& enter(Contender contender) {
    entrants_.push_back(std::make_unique<Entrant>(loop_, std::move(contender)));
    return *entrants_.back();
  }
  Entrant& enter_server(const std::string& name) { return enter(start_server(directory_, name)); }
  // Enter a server before the floors: they answer as many bytes as that one.
  Entrant& enter_floor(const std::string& name, bool new_connection_each = false) {
    return enter(
        start_floor(directory_, name, entrants_.front()->contender.port, new_connection_each));
  }
  Entrant* enter_nginx() {
    if (is_installed("nginx")) return &enter(start_nginx());
    findings.notes.push_back("nginx is not installed, so it is not compared (Debian: nginx-light)");
    return nullptr;
  }

  void connect(std::size_t clients, const std::function<void(ClientGroup&)>& prepare = nullptr) {
    for (const auto& entrant : entrants_) {
      if (prepare) prepare(entrant->clients);
      entrant->clients.connect(clients);
    }
  }

  void run(Nanoseconds slice, std::size_t cycles) {
    std::vector<ClientGroup*> groups;
    for (const auto& entrant : entrants_) groups.push_back(&entrant->clients);
    SlicePlan plan;
    plan.slice = slice;
    plan.cycles = cycles;
    const auto slices =
        run_slices(groups, plan, [&](std::size_t g) { entrants_[g]->read_clock(); });
    for (std::size_t g = 0; g < slices.size(); ++g) entrants_[g]->slices = slices[g];
    note_outcome();
  }

  // The server's CPU time for an answer as a multiple of the other's.
  static double cpu_ratio(const Entrant& one, const Entrant& other) {
    std::vector<double> ratios;
    const std::size_t cycles = std::min(one.cpu.size(), other.cpu.size());
    for (std::size_t i = 0; i < cycles && i < one.slices.results.size(); ++i)
      ratios.push_back(one.cpu[i] / answers(one, i) / (other.cpu[i] / answers(other, i)));
    return median(ratios);
  }

  static bool ran(const Entrant& one) { return !one.clients.failed() && !one.idle.failed(); }

  static std::string detail(const Entrant& one, const Entrant& other) {
    const double cpu = cpu_ratio(one, other);
    return per_second(one.slices.per_second()) + " to " + per_second(other.slices.per_second()) +
           (cpu > 0 ? "; CPU time per answer " + with_digits(cpu, 2) : "");
  }

  // Throughput of one as a share of the other's; a target of 0 is none.
  void compare(const Entrant& one, const Entrant& other, double target) {
    if (!ran(one) || !ran(other)) return;
    const std::string what = one.contender.name + " / " + other.contender.name;
    const double ratio = ratio_of(one.slices, other.slices);
    findings.all.push_back(target > 0 ? at_least(what, ratio, target, detail(one, other))
                                      : known(what, ratio, detail(one, other)));
  }

  Findings findings;

 private:
  static double answers(const Entrant& one, std::size_t cycle) {
    return static_cast<double>(one.slices.results[cycle].all_answers);
  }

  void note_outcome() {
    double own_cpu = 0;
    for (const auto& entrant : entrants_) {
      own_cpu = std::max(own_cpu, entrant->slices.own_cpu());
      for (const ClientGroup* group : {&entrant->clients, &entrant->idle})
        if (group->failed()) findings.failures.push_back(failure_of(entrant->contender, *group));
    }
    findings.notes.push_back("the load generator used up to " + in_percent(own_cpu) + " of a CPU" +
                             (own_cpu > 0.95 ? ": it may limit the fastest; their CPU time per "
                                               "answer is not touched by that"
                                             : ""));
  }

  std::string directory_;
  LoadLoop loop_;
  std::vector<std::unique_ptr<Entrant>> entrants_;
};

// Our two event loops against their floor; with a target beside nginx, against nginx too.
struct LoopRace {
  std::size_t clients;
  std::size_t cycles;
  double target;                       // for event_loop
  std::optional<double> beside_nginx;  // 0: measured, without a target
  std::function<void(ClientGroup&)> prepare = nullptr;
};

Findings race_loops(const std::string& directory, const LoopRace& plan) {
  Race race(directory);
  const Entrant& event_loop = race.enter_server("event_loop");
  const Entrant& await_loop = race.enter_server("await_loop");
  const Entrant& floor = race.enter_floor("floor_epoll");
  const Entrant* nginx = plan.beside_nginx ? race.enter_nginx() : nullptr;
  race.connect(plan.clients, plan.prepare);
  race.run(slice_for(plan.clients), plan.cycles);
  race.compare(event_loop, floor, plan.target);
  race.compare(await_loop, floor, 0);
  if (nginx != nullptr) race.compare(event_loop, *nginx, *plan.beside_nginx);
  return race.findings;
}

Findings one_client(const std::string& directory) {
  return race_loops(directory, {1, 60, 0.96, std::nullopt});
}

Findings thousand_clients(const std::string& directory) {
  return race_loops(directory, {1000, 30, 0.97, 1.18});
}

Findings pipelined(const std::string& directory) {
  const auto pipeline = [](ClientGroup& clients) { clients.pipeline(16); };
  return race_loops(directory, {64, 50, 0.85, 0, pipeline});
}

Findings sixty_four_clients(const std::string& directory) {
  Race race(directory);
  const Entrant& event_loop = race.enter_server("event_loop");
  const Entrant& await_loop = race.enter_server("await_loop");
  const Entrant& poll_loop = race.enter_server("poll_loop");
  const Entrant& select_loop = race.enter_server("select_loop");
  const Entrant& threads = race.enter_server("thread_per_connection");
  const Entrant& floor_epoll = race.enter_floor("floor_epoll");
  const Entrant& floor_poll = race.enter_floor("floor_poll");
  const Entrant& floor_select = race.enter_floor("floor_select");
  const Entrant& floor_thread = race.enter_floor("floor_thread");
  const Entrant* nginx = race.enter_nginx();
  race.connect(64);
  race.run(slice_for(64), 40);
  race.compare(event_loop, floor_epoll, 0.97);
  race.compare(await_loop, floor_epoll, 0.94);
  race.compare(poll_loop, floor_poll, 0.95);
  race.compare(select_loop, floor_select, 0.95);
  race.compare(threads, floor_thread, 0.95);
  if (nginx != nullptr) race.compare(event_loop, *nginx, 1.18);
  return race.findings;
}

Findings churn(const std::string& directory) {
  Race race(directory);
  const Entrant& event_loop = race.enter_server("event_loop");
  const Entrant& await_loop = race.enter_server("await_loop");
  const Entrant& floor = race.enter_floor("floor_epoll", true);
  race.connect(64, [](ClientGroup& clients) { clients.new_connection_each(); });
  race.run(slice_for(64), 50);
  const auto compare = [&](const Entrant& server, double target) {
    const std::string what = server.contender.name + " / floor_epoll, CPU time";
    const double ratio = Race::cpu_ratio(server, floor);
    if (!Race::ran(server) || !Race::ran(floor)) return;
    if (ratio == 0)
      race.findings.notes.push_back("this system does not tell a running process's CPU time");
    else
      race.findings.all.push_back(target > 0
                                      ? at_most(what, ratio, target, Race::detail(server, floor))
                                      : known(what, ratio, Race::detail(server, floor)));
  };
  compare(event_loop, 1.05);
  compare(await_loop, 0);
  return race.findings;
}

// ---- idle clients held: the same server twice, once with them and once without

void hold_idle(const std::string& directory, const std::string& name, double target,
               const Allowance& allowance, Findings& findings) {
  Race race(directory);
  Entrant& with = race.enter_server(name);
  const Entrant& without = race.enter_server(name);
  race.connect(64);
  with.idle.connect(allowance.clients);
  race.run(slice_for(64), 30);
  race.compare(with, without, target);
  for (Finding finding : race.findings.all) {
    finding.what = name + ", " + with_commas(allowance.clients) + " idle / none";
    findings.all.push_back(finding);
  }
  findings.failures.insert(findings.failures.end(), race.findings.failures.begin(),
                           race.findings.failures.end());
}

Findings idle_held(const std::string& directory) {
  Findings findings;
  const Allowance allowance = allowed_clients(10'000, 400);
  if (!allowance.limit.empty()) findings.notes.push_back("fewer clients: " + allowance.limit);
  hold_idle(directory, "event_loop", 0.98, allowance, findings);
  hold_idle(directory, "await_loop", 0.98, allowance, findings);
  hold_idle(directory, "poll_loop", 0, allowance, findings);
  findings.notes.push_back("poll_loop is expected to fall to about 0.07: poll(2) looks at all");
  return findings;
}

// ---- memory

// Waits until the server has noticed that they have left: one descriptor fewer for each of them,
// and one thread, and memory that shrinks no more.
bool wait_until_they_are_gone(pid_t process, std::size_t most) {
  std::uint64_t before = 0;
  for (int i = 0; i < 100; ++i) {
    std::this_thread::sleep_for(milliseconds(50));
    const ProcessReading now = read_process(process);
    const bool gone = descriptors_of(process).value_or(0) <= most &&
                      now.threads.value_or(0) <= most && now.resident_bytes.value_or(0) == before;
    if (gone) return true;
    before = now.resident_bytes.value_or(0);
  }
  return false;
}

struct Crowding {
  std::size_t few = 1'000;
  std::size_t many = 19'000;
};

void weigh_clients(const std::string& directory, const std::string& name, const Crowding& crowd,
                   double target, Findings& findings) {
  const auto stacks_before = read_kernel_stacks();
  const bool floor = name.starts_with("floor");
  Contender server =
      floor ? start_contender(directory, name, {"-r", "35"}) : start_server(directory, name);
  LoadLoop loop;
  ClientGroup clients(loop, server.port);
  clients.connect(crowd.few);
  const ProcessReading few = read_process(server.process.pid());
  clients.connect(crowd.many - crowd.few);
  const ProcessReading many = read_process(server.process.pid());
  const auto stacks_after = read_kernel_stacks();
  if (clients.failed()) {
    findings.failures.push_back(failure_of(server, clients));
    return;
  }
  if (!few.resident_bytes || !many.resident_bytes) {
    findings.notes.push_back("this system does not tell a running process's memory");
    return;
  }
  const auto count = static_cast<double>(crowd.many - crowd.few);
  const auto base = static_cast<double>(*few.resident_bytes);
  const double grown = static_cast<double>(*many.resident_bytes) - base;
  clients.leave_all_but(crowd.few);
  if (!wait_until_they_are_gone(server.process.pid(), crowd.few + 20))
    findings.notes.push_back(name + " had not come to rest 5 s after they left");
  const auto left = read_process(server.process.pid()).resident_bytes.value_or(0);
  std::string detail = with_commas(crowd.few) + " to " + with_commas(crowd.many) + " clients";
  if (many.threads.value_or(1) > 1)
    detail += "; on top of it, in the kernel: stacks " +
              in_bytes(static_cast<double>(*stacks_after - *stacks_before) /
                       static_cast<double>(crowd.many)) +
              ", page tables " +
              in_bytes(static_cast<double>(*many.page_table_bytes - *few.page_table_bytes) / count);
  Finding finding{name, in_bytes(grown / count), detail, "", true};
  if (target > 0) finding.target = "at most " + in_bytes(target);
  if (target > 0) finding.reached = grown / count <= target;
  findings.all.push_back(finding);

  const double given_back = (base + grown - static_cast<double>(left)) / grown;
  findings.all.push_back({name + ", given back when they leave", in_percent(given_back),
                          in_bytes(base + grown) + " to " + in_bytes(static_cast<double>(left)),
                          target > 0 ? "at least 90%" : "", target <= 0 || given_back >= 0.9});
}

Findings memory(const std::string& directory) {
  Findings findings;
  const Allowance allowance = allowed_threads(19'000, 300);
  if (!allowance.limit.empty()) findings.notes.push_back("fewer clients: " + allowance.limit);
  Crowding crowd;
  crowd.many = allowance.clients;
  crowd.few = allowance.clients / 19;
  weigh_clients(directory, "event_loop", crowd, 128, findings);
  weigh_clients(directory, "await_loop", crowd, 320, findings);
  weigh_clients(directory, "poll_loop", crowd, 128, findings);
  weigh_clients(directory, "select_loop", {100, 900}, 128, findings);
  weigh_clients(directory, "thread_per_connection", crowd, 9 * 1024, findings);
  weigh_clients(directory, "floor_thread", crowd, 0, findings);
  return findings;
}

// ---- counted, not timed

Findings system_calls(const std::string& directory) {
  Findings findings;
  if (!is_installed("strace")) {
    findings.notes.push_back("strace is not installed, so no calls are counted (Debian: strace)");
    return findings;
  }
  for (const char* name :
       {"event_loop", "await_loop", "poll_loop", "select_loop", "thread_per_connection"}) {
    Contender server = start_server(directory, name);
    LoadLoop loop;
    ClientGroup clients(loop, server.port);
    clients.connect(64);
    const CallCount counted = count_calls(server.process.pid(), clients, 6400);
    if (clients.failed() || counted.calls == 0) {
      findings.failures.push_back(clients.failed() ? failure_of(server, clients)
                                                   : std::string(name) + ": " + counted.problem);
      continue;
    }
    const double each = static_cast<double>(counted.calls) / static_cast<double>(counted.answers);
    const std::string detail = with_commas(counted.calls) + " calls for " +
                               with_commas(counted.answers) + " answers, 64 clients";
    findings.all.push_back(name == std::string("event_loop") ? at_most(name, each, 2.1, detail)
                                                             : known(name, each, detail));
  }
  return findings;
}

Findings instructions(const std::string& directory) {
  Findings findings;
  if (!is_installed("valgrind")) {
    findings.notes.push_back(
        "valgrind is not installed, so no instructions are counted (Debian: valgrind)");
    return findings;
  }
  for (const char* name : {"event_loop", "await_loop", "poll_loop", "floor_epoll"}) {
    const bool ours = !std::string(name).starts_with("floor");
    const InstructionCount counted = count_instructions(directory, name, ours, 64, 1000, 5000);
    if (!counted.problem.empty()) {
      findings.failures.push_back(std::string(name) + ": " + counted.problem);
      continue;
    }
    const std::string detail = "slope from 1,000 to 5,000 requests, 64 clients";
    Finding finding{name, with_digits(counted.per_request, 0), detail, "", true};
    if (name == std::string("event_loop")) {
      finding.target = "at most 1,000";
      finding.reached = counted.per_request <= 1000;
    }
    findings.all.push_back(finding);
  }
  return findings;
}

// ---- is the load generator right?

Findings cross_check(const std::string& directory) {
  Findings findings;
  if (!is_installed("wrk")) {
    findings.notes.push_back(
        "wrk is not installed, so this generator is not checked against it (Debian: wrk)");
    return findings;
  }
  Contender backend = start_contender(directory, "slow_backend", {"-p", "0", "-d", "20"});
  Contender server = start_contender(directory, "event_loop",
                                     {"-p", "0", "-t", "600", "-b", std::to_string(backend.port)});
  LoadLoop loop;
  ClientGroup clients(loop, server.port);
  clients.ask("/row");
  clients.connect(64);
  // In turn, like everything here: the machine may change its speed in between.
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> ratios;
  for (int i = 0; i < 3; ++i) {
    ours.push_back(clients.closed_loop(milliseconds(1500)).per_second());
    theirs.push_back(rate_of_wrk(server.port, 64, 2));
    if (clients.failed() || theirs.back() <= 0) {
      findings.failures.push_back(clients.failed() ? clients.failure() : "wrk gave no number");
      return findings;
    }
    ratios.push_back(ours.back() / theirs.back());
  }
  const double ratio = median(ratios);
  findings.all.push_back({"this generator / wrk, on /row", with_digits(ratio, 3),
                          per_second(median(ours)) + " to " + per_second(median(theirs)),
                          "0.95 to 1.05", ratio >= 0.95 && ratio <= 1.05});
  return findings;
}

}  // namespace

const std::vector<Experiment>& experiments() {
  static const std::vector<Experiment> all = {
      {"one", "Throughput on /, 1 keep-alive client", one_client},
      {"clients64", "Throughput on /, 64 keep-alive clients", sixty_four_clients},
      {"clients1000", "Throughput on /, 1,000 keep-alive clients", thousand_clients},
      {"pipelined", "Throughput on /, 64 clients, 16 requests at once", pipelined},
      {"churn", "A new connection for each request, 64 clients", churn},
      {"idle", "Throughput of 64 clients while others are held idle", idle_held},
      {"memory", "User memory for one more idle client", memory},
      {"calls", "System calls for one answer (strace)", system_calls},
      {"instructions", "User instructions for one answer (valgrind)", instructions},
      {"check", "This load generator against wrk, where neither is the limit", cross_check},
  };
  return all;
}
