// threads — what a silent client costs: threads, address space, memory of the process, and three
// kinds of memory in the kernel.
//
// Reserved is address space: a promise, which costs next to nothing until it is used. Resident is
// memory. A thread's kernel stack, its page tables and its other kernel records are memory too, and
// belong to no process's resident set. The kernel's numbers for stacks and slabs are the whole
// machine's: what else starts or ends meanwhile is in them, and so is the client's end of each
// connection, which lives on the same machine here. That is why the models come one after the other
// here: what is weighed is memory, and a busy machine does not make it heavier.

#include <algorithm>

#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/text_table.hpp"

namespace {

constexpr std::size_t steps[] = {1, 100, 1'000, 5'000, 10'000};

constexpr std::size_t besides = 400;  // the generator's own, and those of other programs

// A thread for each.
Allowance most_threads() {
  return allowed_threads(10'000, besides);
}

std::vector<ServerPlan> models() {
  std::vector<ServerPlan> all;
  for (ServerPlan& plan : plans(concurrent)) {
    if (plan.program.thread_each) plan.most_clients = most_threads().clients;
    all.push_back(plan);
    if (plan.program.model != thread_per_connection) continue;
    all.push_back({"threads -s 64", plan.program, {"-s", "64"}, plan.most_clients});
  }
  return all;
}

struct Weight {
  explicit Weight(const ServerAtWork& server)
      : process(server.reading()), kernel(read_kernel_memory()) {}
  ProcessReading process;
  KernelMemory kernel;
};

void add_growth(BenchRun& bench, const ServerAtWork& server, const Weight& before,
                const Weight& now) {
  const auto add = [&](const char* metric, std::optional<std::uint64_t> from,
                       std::optional<std::uint64_t> to) {
    if (from && to)
      bench.add(server, metric, static_cast<double>(*to) - static_cast<double>(*from));
  };
  add("threads", 0, now.process.threads);
  add("reserved_bytes", before.process.reserved_bytes, now.process.reserved_bytes);
  add("resident_bytes", before.process.resident_bytes, now.process.resident_bytes);
  add("page_table_bytes", before.process.page_table_bytes, now.process.page_table_bytes);
  add("kernel_stack_bytes", before.kernel.stacks, now.kernel.stacks);
  add("kernel_records_bytes", before.kernel.slab, now.kernel.slab);
  add("socket_bytes", before.kernel.sockets, now.kernel.sockets);
}

// One server alone, for each step up to so many clients. What fails does so at the step.
void hold(BenchRun& bench, const ServerPlan& plan, std::size_t most) {
  Lineup lineup(bench);
  if (ServerAtWork* const server = lineup.enter(plan, 1); server != nullptr) {
    const Weight before(*server);
    for (const std::size_t step : steps) {
      if (step > most || !server->can_hold(step)) break;
      lineup.go_to(static_cast<double>(step));
      lineup.for_each(step, [&](ServerAtWork& one) {
        one.hold(step);
        add_growth(bench, one, before, Weight(one));
      });
    }
  }
  lineup.stop();
}

void run(BenchRun& bench) {
  const Allowance allowance = allowed_clients(10'000, besides);
  const Allowance of_threads = most_threads();
  if (!allowance.limit.empty())
    bench.note("at most " + with_commas(allowance.clients) + " idle clients, because of " +
               allowance.limit);
  if (of_threads.clients < allowance.clients)
    bench.note("at most " + with_commas(of_threads.clients) + " threads, because of " +
               of_threads.limit);
  const auto all = models();
  for (const ServerPlan& plan : all) bench.results.mention(plan.name);
  bench.interleave(all.size(), bench.repeats(), [&](std::size_t repeat, std::size_t i) {
    bench.progress("repeat " + std::to_string(repeat + 1) + ": " + all[i].name);
    hold(bench, all[i], allowance.clients);
  });
}

// The largest number of clients that a model held, of the steps.
double most_held(const Results& results, const std::string& model) {
  double most = 0;
  for (const std::size_t step : steps)
    if (results.find(model, static_cast<double>(step), "threads")) most = static_cast<double>(step);
  return most;
}

// What one client costs, line by line. The machine's own numbers say nothing about a few hundred.
struct CostLine {
  const char* title;
  const char* metric;
  bool is_of_machine;
};
constexpr CostLine cost_lines[] = {{"address space", "reserved_bytes", false},
                                   {"memory resident", "resident_bytes", false},
                                   {"kernel stacks", "kernel_stack_bytes", true},
                                   {"page tables", "page_table_bytes", false},
                                   {"kernel records (*)", "kernel_records_bytes", true},
                                   {"of these, sockets", "socket_bytes", true}};

std::string cost_cell(const Results& results, const std::string& model, const CostLine& line) {
  const double held = most_held(results, model);
  if (held == 0 || (line.is_of_machine && held < 1000)) return "-";
  const auto value = results.find(model, held, line.metric);
  return value ? in_bytes(*value / held) : "-";
}

void print_per_client(BenchRun& bench) {
  const Results& results = bench.results;
  std::vector<std::string> titles{""};
  std::vector<std::string> held{"clients held"};
  std::vector<std::string> threads{"threads"};
  for (const ServerPlan& plan : models()) {
    const double most = most_held(results, plan.name);
    titles.push_back(in_two_lines(plan.name));
    held.push_back(most > 0 ? plain_number(most) : "-");
    const auto count = results.find(plan.name, most, "threads");
    threads.push_back(most > 0 && count ? plain_number(*count) : "-");
  }
  TextTable table(titles);
  table.add(held);
  table.add(threads);
  for (const CostLine& line : cost_lines) {
    std::vector<std::string> cells{line.title};
    for (const ServerPlan& plan : models()) cells.push_back(cost_cell(results, plan.name, line));
    table.add(cells);
  }
  bench.print(
      "Per silent client, the increase over the idle server, at the most that each held:\n" +
      table.text());
  bench.print_indented(
      "(*) the kernel's slabs, of the whole machine: both ends of each connection, and, for "
      "a thread, its task. Of these the sockets with their inodes, open files and entries "
      "in a queue, as /proc/slabinfo tells them to root; for others the inodes are missing "
      "in both.");
}

// What one silent client takes, in bytes. What a system does not tell counts as nothing.
struct ClientMemory {
  double resident = 0;
  double stacks = 0;
  double tables = 0;
  double records = 0;  // the sockets at both ends of the connection, and a thread's task
  double own() const { return resident + stacks + tables; }
  double all() const { return own() + records; }
};

ClientMemory memory_of_client(const Results& results, const std::string& model, double held) {
  const auto other = [&](const char* metric) {
    return results.find(model, held, metric).value_or(0) / held;
  };
  // With one thread, the stacks by which the machine's have grown belong to others.
  const bool has_stacks = results.find(model, held, "threads").value_or(1) > 1;
  return {results.at(model, held, "resident_bytes") / held,
          has_stacks ? other("kernel_stack_bytes") : 0, other("page_table_bytes"),
          other("kernel_records_bytes")};
}

// What other systems' default stacks would make of it. Address space only.
void print_stack_sizes(BenchRun& bench) {
  const std::pair<const char*, double> sizes[] = {{"glibc (8 MiB, from ulimit -s)", 8192},
                                                  {"FreeBSD (2 MiB)", 2048},
                                                  {"Windows (1 MiB)", 1024},
                                                  {"macOS (512 KiB)", 512},
                                                  {"musl (128 KiB)", 128},
                                                  {"-s 64 (64 KiB)", 64}};
  TextTable table({"default stack", "10,000 threads reserve (computed)"});
  for (const auto& [name, kib] : sizes) table.add({name, in_bytes(kib * 1024 * 10'000)});
  bench.print(table.text());
}

void report(BenchRun& bench) {
  const Results& results = bench.results;
  bench.print_table("Threads", "threads", plain_number);
  bench.print_table("Memory resident, the increase over the idle server", "resident_bytes",
                    in_bytes);
  print_per_client(bench);
  print_stack_sizes(bench);

  const std::string name = "thread_per_connection";
  const double held = most_held(results, name);
  if (held < 1000) return bench.verdict_impossible("fewer than 1,000 threads were held.");
  const ClientMemory thread = memory_of_client(results, name, held);
  const ClientMemory entry =
      memory_of_client(results, "event_loop", most_held(results, "event_loop"));
  constexpr double ten_gigabytes = 1e10;
  const double used = thread.all() * 10'000;
  const bool uses = used > ten_gigabytes;
  const bool reserves = results.at(name, held, "reserved_bytes") / held * 10'000 > ten_gigabytes;
  const std::string promise = std::string("10,000 threads reserve ") +
                              (reserves ? "more" : "less") + " than 10 GB of address space";
  bench.verdict(uses, promise + (uses ? ", and use more than 10 GB of memory."
                                 : used < ten_gigabytes / 10
                                     ? "; they use less than a tenth of 10 GB of memory, the "
                                       "kernel's records and all sockets included. It is the "
                                       "promise that is large, not the use."
                                     : "; they use less than 10 GB of memory."));
  bench.print_indented("A thread beside an entry in a loop: " + times(thread.own() / entry.own()) +
                       " as much memory for itself (resident, kernel stack, page tables); with the "
                       "kernel's records, the sockets at both ends among them, " +
                       times(thread.all() / entry.all()) + " as much.");
}

}  // namespace

extern const BenchExperiment threads_experiment = {
    "threads",
    "10,000 connections with a thread each take 10 GB of memory.",
    "idle_clients",
    {16, 38},
    run,
    report};
