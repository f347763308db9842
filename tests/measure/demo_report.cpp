#include <algorithm>
#include <functional>

#include "tests/measure/demo.hpp"
#include "tests/measure/text_table.hpp"

namespace {

// From a tenth of the machine on, somebody else's work shows in the times.
constexpr double disturbing_share = 0.1;

// From here on a rate may be the load generator's own, and says only "at least".
bool is_saturated(const ServerReport& report) {
  return report.own_cpu > 0.95;
}

// ---- the table: a column for each server, so that a line compares them

// "-" where this system does not tell.
template <class Format>
std::string cell(const std::optional<double>& value, Format format) {
  return value ? format(*value) : "-";
}

std::string per_response(double switches) {
  return switches > 0 && switches < 0.005 ? "<0.01" : with_digits(switches, 2);
}

struct Line {
  const char* title;
  std::function<std::string(const ServerReport&)> cell;
};

const std::vector<Line>& lines() {
  using Report = const ServerReport&;
  static const std::vector<Line> all = {
      {"idle clients held", [](Report r) { return r.idle > 0 ? with_commas(r.idle) : "none"; }},
      {"threads", [](Report r) { return r.threads ? with_commas(*r.threads) : "-"; }},
      {"address space/client", [](Report r) { return cell(r.reserved, in_bytes); }},
      {"memory/client", [](Report r) { return cell(r.resident, in_bytes); }},
      {"switches/answer", [](Report r) { return cell(r.switches, per_response); }},
      {"answers/second",
       [](Report r) { return with_commas(static_cast<std::uint64_t>(r.per_second)); }},
      {"p50, ms", [](Report r) { return milliseconds_only(r.p50); }},
      {"p99, ms", [](Report r) { return milliseconds_only(r.p99); }},
      {"/row waits", [](Report r) { return cell(r.row_waiting, in_percent); }},
      {"p99 beside /spin, ms", [](Report r) { return cell(r.spin_p99, milliseconds_only); }},
  };
  return all;
}

// Six servers fit beside each other; of more, there are two tables.
std::string table_of(const std::vector<ServerReport>& outcomes) {
  if (outcomes.size() > 6) {
    const auto middle = outcomes.begin() + static_cast<std::ptrdiff_t>((outcomes.size() + 1) / 2);
    return table_of({outcomes.begin(), middle}) + "\n" + table_of({middle, outcomes.end()});
  }
  std::vector<std::string> titles{""};
  for (const ServerReport& outcome : outcomes) titles.push_back(in_two_lines(outcome.name));
  TextTable table(titles);
  for (const Line& line : lines()) {
    std::vector<std::string> cells{line.title};
    for (const ServerReport& outcome : outcomes)
      cells.push_back(outcome.failure.empty() ? line.cell(outcome) : "FAILED");
    table.add(std::move(cells));
  }
  return table.text();
}

std::string failures_of(const std::vector<ServerReport>& outcomes) {
  std::string text;
  for (const ServerReport& outcome : outcomes) {
    if (outcome.failure.empty()) continue;
    if (text.empty()) text = "\nFailed, so there are no numbers:\n";
    text += folded(outcome.name + ": " + outcome.failure, "    ");
  }
  return text;
}

// ---- the notes below it

class Section {
 public:
  explicit Section(const std::string& heading) : heading_("\n" + heading + "\n") {}

  void note(const std::string& text) { notes_ += folded(text, "  ", "* "); }
  // A heading without a note is left out.
  std::string text() const { return notes_.empty() ? "" : heading_ + notes_; }

 private:
  std::string heading_;
  std::string notes_;
};

std::string legend_of(const DemoPlan& plan) {
  Section section("How to read it");
  section.note(
      "idle clients held: they have asked once and stay connected, silent, through all the rest. "
      "address space, memory: what one of them costs the server's process, reserved and resident.");
  section.note(
      "switches: how often the kernel put the server to sleep or took its CPU, for each answer, "
      "while " +
      std::to_string(plan.active) +
      " clients asked for / again as soon as they were answered; answers per second: the same "
      "run.");
  section.note("p50, p99: of " + with_commas(static_cast<std::uint64_t>(plan.rate)) +
               " requests for / per second, half and 99% were answered within this time, counted "
               "from when they should have been sent.");
  section.note(
      "/row waits: the share of a row's time in which the server computed nothing. p99 beside "
      "/spin: everybody else's, in the second in which one client asked for /spin/" +
      std::to_string(plan.spin_milliseconds) + ".");
  return section.text();
}

const ServerReport* find(const std::vector<ServerReport>& outcomes, const std::string& name) {
  for (const ServerReport& outcome : outcomes)
    if (outcome.name == name && outcome.failure.empty()) return &outcome;
  return nullptr;
}

// ---- what the numbers say

void explain_memory(Section& section, const std::vector<ServerReport>& outcomes) {
  const ServerReport* threads = find(outcomes, "thread_per_connection");
  const ServerReport* loop = find(outcomes, "event_loop");
  if (threads == nullptr || loop == nullptr || !threads->reserved || !loop->resident) return;
  const auto count = static_cast<double>(threads->idle);
  std::string text = with_commas(threads->idle) + " silent clients cost thread_per_connection " +
                     with_commas(*threads->threads) + " threads, " +
                     in_bytes(*threads->reserved * count) + " of address space and " +
                     in_bytes(*threads->resident * count) + " of memory";
  if (threads->kernel_stacks && threads->page_tables)
    text += ", and the kernel " +
            in_bytes((*threads->kernel_stacks + *threads->page_tables) * count) +
            " more for its own stacks and page tables";
  text += "; they cost event_loop " + in_bytes(*loop->resident * static_cast<double>(loop->idle)) +
          " and one thread.";
  section.note(text);
}

void explain_asking(Section& section, const std::vector<ServerReport>& outcomes) {
  const ServerReport* ask = find(outcomes, "poll_loop");
  const ServerReport* told = find(outcomes, "event_loop");
  if (ask == nullptr || told == nullptr || ask->per_second <= 0) return;
  if (told->per_second < ask->per_second) return;
  if (is_saturated(*ask)) return;
  section.note("poll_loop asks the kernel about all " + with_commas(ask->idle + 64) +
               " clients at every wake-up, event_loop is told who is ready: " +
               (is_saturated(*told) ? "at least " : "") +
               with_digits(told->per_second / ask->per_second, 1) +
               " times as many requests per second.");
}

void explain_waiting(Section& section, const std::vector<ServerReport>& outcomes,
                     unsigned backend_delay) {
  const ServerReport* loop = find(outcomes, "event_loop");
  if (loop == nullptr || !loop->row_waiting) return;
  section.note("A row took event_loop " + with_digits(loop->row_milliseconds, 1) + " ms, and " +
               in_percent(*loop->row_waiting) + " of that was waiting for a backend that takes " +
               std::to_string(backend_delay) + " ms: time for other clients.");
}

void explain_spinning(Section& section, const std::vector<ServerReport>& outcomes) {
  const ServerReport* threads = find(outcomes, "thread_per_connection");
  const ServerReport* loop = find(outcomes, "event_loop");
  if (threads == nullptr || loop == nullptr || !threads->spin_p99 || !loop->spin_p99) return;
  // Where the numbers say otherwise, something else than the computation was in the way.
  if (*loop->spin_p99 < loop->p99 || *loop->spin_p99 < *threads->spin_p99) return;
  section.note(
      "What a loop cannot hide: while one client's request computes, everybody waits. p99 "
      "went from " +
      in_milliseconds(loop->p99) + " to " + in_milliseconds(*loop->spin_p99) +
      " in event_loop, from " + in_milliseconds(threads->p99) + " to " +
      in_milliseconds(*threads->spin_p99) + " in thread_per_connection.");
}

// Of a disturbed run, only what does not depend on time.
std::string conclusions_of(const DemoFindings& findings, bool is_disturbed) {
  Section section("What it shows");
  explain_memory(section, findings.outcomes);
  if (!is_disturbed) {
    explain_asking(section, findings.outcomes);
    explain_waiting(section, findings.outcomes, findings.backend_delay);
    explain_spinning(section, findings.outcomes);
  }
  return section.text();
}

// ---- what the numbers leave out

void explain_designs(Section& section, const DemoFindings& findings) {
  const DemoPlan& plan = findings.plan;
  if (const ServerReport* one = find(findings.outcomes, "one_at_a_time"))
    section.note("one_at_a_time served " + std::to_string(one->active_served) + " of " +
                 std::to_string(plan.active) +
                 " clients: the others wait until that one leaves, and an idle one would keep "
                 "everybody out for ever. Its numbers are that one client's.");
  for (const Program& program : programs()) {
    const ServerReport* one = find(findings.outcomes, program.name);
    if (one == nullptr || program.most_descriptors == 0 || one->idle >= plan.idle) continue;
    section.note(std::string(program.name) +
                 " holds fewer clients than the others, so its numbers flatter it: an fd_set has "
                 "room for descriptors below " +
                 with_commas(program.most_descriptors) + " only.");
  }
}

void explain_limits(Section& section, const DemoFindings& findings) {
  const Allowance& allowance = findings.allowance;
  if (!allowance.limit.empty())
    section.note(with_commas(allowance.clients) + " idle clients instead of " +
                 with_commas(findings.wished_idle) + ", because of " + allowance.limit + ".");
  else
    section.note("No limit of this machine was met: " + with_commas(allowance.clients) +
                 " idle clients were wished for, and " + with_commas(findings.descriptors) +
                 " descriptors are allowed.");
  double own_cpu = 0;
  std::string names;
  for (const ServerReport& outcome : findings.outcomes) {
    if (!is_saturated(outcome)) continue;
    own_cpu = std::max(own_cpu, outcome.own_cpu);
    names += (names.empty() ? "" : ", ") + outcome.name;
  }
  if (!names.empty())
    section.note("The load generator itself used " + in_percent(own_cpu) +
                 " of a CPU: the answers per second of " + names +
                 " are at least what is shown, and say nothing about who of them is faster.");
}

// The largest share of the machine that other programs had while one server was tried.
double share_of_others(const std::vector<ServerReport>& outcomes) {
  double largest = 0;
  for (const ServerReport& outcome : outcomes)
    largest = std::max(largest, outcome.others.value_or(0));
  return largest;
}

}  // namespace

std::string demo_report(const DemoFindings& findings) {
  const double others = share_of_others(findings.outcomes);
  const bool is_disturbed = others > disturbing_share;
  std::string text;
  if (is_disturbed)
    text = folded("OTHER PROGRAMS used up to " + in_percent(others) +
                  " of this machine meanwhile: rates and times are worse than they would be "
                  "alone, and nothing is concluded from them. Repeat it when the machine is "
                  "quiet.") +
           "\n";
  text += table_of(findings.outcomes) + failures_of(findings.outcomes);
  text += legend_of(findings.plan) + conclusions_of(findings, is_disturbed);
  Section know("What to know");
  explain_designs(know, findings);
  explain_limits(know, findings);
  return text + know.text();
}
