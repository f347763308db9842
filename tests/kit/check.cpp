#include "tests/kit/check.hpp"

#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <regex>
#include <thread>

#include "common/error.hpp"
#include "tests/kit/client.hpp"
#include "tests/kit/forked.hpp"

namespace {

constexpr std::chrono::milliseconds tick{1};

using Clock = std::chrono::steady_clock;

constexpr const char* hidden_report = "A sanitizer's report does not appear on stderr.";

// Words by which glibc begins the reports of _FORTIFY_SOURCE.
constexpr const char* fortify_marks[] = {"*** buffer overflow", "*** bit out of range"};

// And the sanitizers theirs. A program without them may say such words for reasons of its own.
constexpr const char* sanitizer_marks[] = {"ERROR: AddressSanitizer:", "ERROR: LeakSanitizer:",
                                           "WARNING: ThreadSanitizer:", hidden_report};

// UBSan has no name in front: FILE:LINE:COLUMN: runtime error: ...
bool is_undefined_behaviour(std::string_view line) {
  static const std::regex form(":[0-9]{1,9}:[0-9]{1,9}: runtime error: ");
  return std::regex_search(line.begin(), line.end(), form);
}

// Reports by which a sanitizer says that it cannot work on this machine.
constexpr const char* excused_marks[] = {"out of memory", "failed to allocate",
                                         "memory layout is incompatible"};

// What a program has said can then not be taken for a heading of the story.
std::string indented(const std::string& text) {
  std::string result;
  for (const char c : text) result += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return result;
}

std::string shortened(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  return text.substr(0, most) + "... (" + std::to_string(text.size()) + " bytes in all)";
}

std::string missing_need(const Check& check, const Context& context) {
  if ((check.needs & need_proc) != 0 && !can_observe_processes())
    return "this system has no /proc/PID to look into";
  if ((check.needs & need_sockets) != 0 && !can_observe_sockets())
    return "this system does not answer questions about single sockets (NETLINK_SOCK_DIAG)";
  if ((check.needs & need_plain_build) != 0 && context.sanitizers().any())
    return "the server is built with a sanitizer, which brings costs of its own";
  if ((check.needs & need_peace) != 0 && context.tested().faults != nullptr)
    return "it would measure the faults";
  return "";
}

std::string full_story(const Check& check, const std::string& story, const Context& context,
                       const std::string& again) {
  std::string text = story + "\n";
  if (const std::string steps = context.transcript(); !steps.empty())
    text += "What happened before:\n" + steps;
  text += std::string("Hint: ") + check.hint.question + "\nRead: " + check.hint.lesson +
          "\nAgain: " + again;
  return text;
}

// Can this process see another one that does not hide? Asked of a child that waits to be ended.
bool can_see_another(const std::function<bool(pid_t)>& look) {
  const Forked other([] {
#ifdef __linux__
    prctl(PR_SET_DUMPABLE, 1);  // the tester itself may hide from the programs that it tests
#endif
    for (;;) pause();
    return 0;
  });
  const auto deadline = Clock::now() + std::chrono::seconds(1);
  while (Clock::now() < deadline) {
    if (look(other.pid())) return true;
    std::this_thread::sleep_for(tick);
  }
  return false;
}

// How a fault on purpose has disturbed it; "" if none has.
std::string run_to_its_end(const Check& check, Context& context) {
  try {
    context.play(check);
  } catch (const Disturbed& disturbed) {
    return disturbed.how;
  } catch (const Inconclusive&) {
    context.expect_no_delay_of_its_own();
    throw;
  }
  return "";
}

Result run_once(const Check& check, const Tested& tested, const std::string& again) {
  Context context(tested, check.disturbed_by);
  try {
    if (const std::string missing = missing_need(check, context); !missing.empty())
      throw Skipped{missing};
    const std::string disturbance = run_to_its_end(check, context);
    if (tested.faults != nullptr) context.expect_recovery();
    context.expect_healthy();
    if (!disturbance.empty()) return {Outcome::disturbed, disturbance};
    if (!tested.tells_all) return {Outcome::passed, ""};
    return {Outcome::passed, full_story(check, context.told("just that."), context, again)};
  } catch (const Failed& failed) {
    return {Outcome::failed, full_story(check, failed.story, context, again)};
  } catch (const Skipped& skipped) {
    return {Outcome::skipped, skipped.why};
  } catch (const Inconclusive& inconclusive) {
    return {Outcome::inconclusive, inconclusive.why};
  } catch (const std::exception& trouble) {
    return {Outcome::broken, std::string("The tester itself could not go on: ") + trouble.what() +
                                 "\n" + context.transcript()};
  }
}

}  // namespace

void Body::operator()(Context& context) const {
  if (alone_ != nullptr) return alone_(context);
  Client client(context);
  with_client_(context, client);
}

Context::Context(const Tested& tested, Faults disturbed_by)
    : tested_(tested), sanitizers_(sanitizers_in(tested.path)), disturbed_by_(disturbed_by) {}

Timeout Context::timeout() const {
  if (own_timeout_) return *own_timeout_;
  return sanitizers_.any() ? 2 * tested_.timeout : tested_.timeout;
}

ChildProcess& Context::start(const Launch& launch) {
  if (done_.empty()) scene("I started the server.", "it prints its ready line and serves.");
  server_.reset();
  Launch complete = launch;
  std::vector<std::string>& words = complete.arguments;
  const auto lacks = [&words](const char* option) {
    return std::find(words.begin(), words.end(), option) == words.end();
  };
  if (is(slow_backend) && lacks("-d")) words.insert(words.end(), {"-d", "0"});
  if (is(sketch))
    words.push_back(std::to_string(Backend::dead_port()));
  else if (!complete.hand_down_listener && lacks("-p"))
    words.insert(words.end(), {"-p", "0"});
  complete_command("started", words);
  if (tested_.faults != nullptr)
    for (std::string& setting : tested_.faults->environment())
      complete.environment.push_back(std::move(setting));
  try {
    server_ = std::make_unique<ChildProcess>(tested_.path, complete);
  } catch (const StartFailed& trouble) {
    fail_for_certain(trouble.what());
  }
  started_ = Clock::now();
  burned_at_start_ = cpu_nanoseconds_of_descendants().value_or(0);
  if (tested_.faults != nullptr && complete.expect_ready) {
    if (!tested_.faults->is_loaded()) throw std::runtime_error("the faults have not been loaded");
    first_ =
        Holdings{descriptors_of(server_->pid()).value_or(0), threads_of(server_->pid()).size()};
    if (sanitizers_.thread) first_->threads = std::max<std::size_t>(first_->threads, 2);
  }
  return *server_;
}

ChildProcess& Context::start_with(std::vector<std::string> arguments) {
  return start({.arguments = std::move(arguments)});
}

ChildProcess& Context::start_small(std::vector<std::string> arguments) {
  return start({.arguments = std::move(arguments), .small_buffers = true});
}

void Context::complete_command(const char* verb, std::vector<std::string>& arguments) {
  if (is(prefork)) arguments.push_back(tested_.build + "/event_loop");
  std::string words = std::string(verb) + " " + tested_.name;
  for (const std::string& argument : arguments) words += " " + argument;
  note(words);
}

ChildProcess& Context::server() {
  if (!server_) start();
  return *server_;
}

void Context::scene(std::string done, std::string expected) {
  done_ = std::move(done);
  expected_ = std::move(expected);
}

void Context::play(const Check& check) {
  scene(check.scene.done, check.scene.expected);
  check.run(*this);
}

void Context::fail(const std::string& seen) const {
  const FaultPlan* const faults = tested_.faults;
  if (faults != nullptr && faults->happened(disturbed_by_) > 0) throw Disturbed{seen};
  fail_for_certain(seen);
}

void Context::fail_for_certain(const std::string& seen) const {
  std::string story = told(indented(seen));
  if (server_) {
    // A sanitizer takes its time between a report and the end.
    const auto status =
        sanitizers_.any() ? server_->wait_for_end(Timeout(2)) : server_->status_if_ended();
    if (status) story += "\nThe server " + describe_status(*status) + ".";
    const bool is_reported = status && sanitizers_.any() && WIFEXITED(*status) &&
                             WEXITSTATUS(*status) == sanitizer_exit_status;
    if (is_reported && server_->error_output().find("Sanitizer") == std::string::npos)
      story += std::string("\n") + hidden_report + " It is the status by which a sanitizer ends.";
    if (const std::string said = server_->error_output(); !said.empty()) {
      const std::size_t complaint = find_complaint(said, sanitizers_);
      story += "\nIt said on stderr: " +
               indented(shortened(complaint == said.npos ? said : said.substr(complaint), 2000));
    }
  }
  throw Failed{story};
}

void Context::expect(bool holds, const std::string& seen) const {
  if (!holds) fail(seen);
}

void Context::note(std::string step) {
  steps_.push_back(std::move(step));
}

void Context::eventually(const std::function<bool()>& holds,
                         const std::function<std::string()>& seen) {
  Deadline deadline(*this);
  while (!holds()) {
    if (deadline.has_passed()) fail(seen());
    std::this_thread::sleep_for(tick);
  }
}

Deadline::Deadline(const Context& context)
    : context_(&context),
      end_(Clock::now() + std::chrono::duration_cast<Clock::duration>(context.timeout())) {}

bool Deadline::has_passed() {
  if (Clock::now() <= end_) return false;
  if (more_-- <= 0) return true;
  if (!context_->waits_for_a_core() && !context_->repeats_lost_stop()) return true;
  end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(context_->timeout());
  return false;
}

void Pace::step(std::chrono::milliseconds length) {
  std::this_thread::sleep_for(length);
  const auto now = Clock::now();
  if (now - last_ > longest_gap_) throw Inconclusive{"the tester was held up for too long"};
  last_ = now;
}

bool Context::repeats_lost_stop() const {
  if (!sanitizers_.thread || !server_ || server_->stops_asked() != 1) return false;
  if (server_->status_if_ended()) return false;
  server_->signal(SIGTERM);
  return true;
}

bool Context::waits_for_a_core() const {
  constexpr std::uint64_t moment = 300'000'000;  // nanoseconds
  if (!server_ || server_->status_if_ended()) return false;
  struct Times {
    std::uint64_t burned = 0;
    std::uint64_t queued = 0;
    bool is_runnable = false;
  };
  const auto look = [this] {
    Times times;
    for (const ThreadLook& thread : threads_of(server_->pid())) {
      times.burned += thread.cpu_nanoseconds;
      times.queued += thread.queued_nanoseconds;
      times.is_runnable = times.is_runnable || thread.state == 'R';
    }
    return times;
  };
  const Times before = look();
  if (!before.is_runnable || before.burned < moment) return before.is_runnable;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const Times after = look();
  return after.queued - before.queued >= after.burned - before.burned;
}

void Context::settle() {
  Client client(*this);
  client.send(get_request("/echo/settled", "Connection: close\r\n"));
  if (is(slow_backend))  // after a delay that need not be 0
    client.expect_response(200);
  else
    client.expect_response(200, echo("settled"));
  client.expect_end();
  wait_until_quiet();
}

bool Context::wait_until_quiet() {
  if (!can_observe_processes()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return true;
  }
  const auto begin = Clock::now();
  const auto deadline = begin + timeout();
  auto quiet_since = begin;
  std::uint64_t last_sum = 0;
  while (Clock::now() - quiet_since < std::chrono::milliseconds(40)) {
    bool asleep = true;
    std::uint64_t sum = 0;
    const std::vector<ThreadLook> threads = threads_of(server().pid());
    for (const ThreadLook& thread : threads) {
      asleep = asleep && (thread.state == 'S' || thread.state == 'D');
      sum += thread.voluntary_switches;
    }
    // One that looks at its clock again and again never rests for so long: its switch is none.
    const bool ticks = Clock::now() - begin > std::chrono::milliseconds(300);
    if (!asleep || sum - std::min(sum, last_sum) > (ticks ? threads.size() : 0)) {
      quiet_since = Clock::now();
      last_sum = sum;
    }
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(tick);
  }
  return true;
}

std::size_t find_complaint(std::string_view text, const Sanitizers& sanitizers) {
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    const auto holds = [line](const char* mark) { return line.find(mark) != line.npos; };
    const auto holds_any = [holds](const auto& marks) {
      return std::any_of(std::begin(marks), std::end(marks), holds);
    };
    const bool is_report =
        holds_any(fortify_marks) ||
        (sanitizers.any() && (holds_any(sanitizer_marks) || is_undefined_behaviour(line)));
    if (is_report && !holds_any(excused_marks)) return begin;
    begin = end + 1;
  }
  return text.npos;
}

void Context::expect_replacement() {
  const std::vector<pid_t> before = children_of(server().pid());
  if (before.empty()) fail_for_certain("it has no copies");
  kill(before.front(), SIGKILL);
  eventually(
      [&] {
        const std::vector<pid_t> now = children_of(server().pid());
        return now.size() >= before.size() &&
               std::find(now.begin(), now.end(), before.front()) == now.end();
      },
      [] { return "the copy that died has not been replaced"; });
}

std::string Context::echo(std::string_view token) const {
  if (is(slow_backend)) return "row for /echo/" + std::string(token) + " after 0 ms\n";
  return std::string(token);
}

// What `look` tells of the server; where it tells nothing, there is a reason, and nobody goes on.
template <class Seen>
Seen Context::see(std::optional<Seen> (*look)(pid_t), const char* why) {
  if (const auto seen = look(server().pid())) return *seen;
  if (server().status_if_ended()) fail("the server has ended.");
  // Nothing of a process can be counted that hides, with PR_SET_DUMPABLE for example.
  if (can_see_another([look](pid_t process) { return look(process).has_value(); }))
    fail_for_certain("the program hides from whoever looks at it.");
  expect_healthy();
  throw Skipped{why};
}

std::size_t Context::descriptors() {
  return see(descriptors_of, "the descriptors of a process cannot be counted here");
}

Memory Context::memory() {
  return see(memory_of, "the memory of a process cannot be measured here");
}

std::size_t Context::threads() {
  return see(
      +[](pid_t process) -> std::optional<std::size_t> {
        const std::size_t count = threads_of(process).size();
        return count > 0 ? std::optional(count) : std::nullopt;
      },
      "the threads of a process cannot be counted here");
}

std::uint64_t Context::cpu_nanoseconds() {
  return see(cpu_nanoseconds_of, "the CPU time of a thread cannot be measured here");
}

void Context::limit_descriptors(std::size_t most) {
  note("limited the server to " + std::to_string(most) + " descriptors");
  if (limit_descriptors_of(server().pid(), most)) return;
  expect(!server().status_if_ended(), "the server has ended");
  throw Skipped{"the limits of a running process cannot be changed here"};
}

void Context::expect_back_to(const Holdings& before) {
  eventually([&] { return descriptors() <= before.descriptors && threads() <= before.threads; },
             [&] {
               const bool asks_threads = before.threads != Holdings().threads;
               return "it had " + std::to_string(before.descriptors) + " descriptors" +
                      (asks_threads ? " and " + std::to_string(before.threads) + " threads" : "") +
                      ", and has " + std::to_string(descriptors()) +
                      (asks_threads ? " and " + std::to_string(threads()) : "") + "; " +
                      describe_server();
             });
}

void Context::expect_growth_below(std::size_t most_kib, std::size_t Memory::*kind,
                                  const Memory& before) {
  const std::size_t now = memory().*kind;
  expect(now < before.*kind + most_kib || sanitizers_.any(),
         "it grew from " + std::to_string(before.*kind) + " to " + std::to_string(now) + " KiB");
}

void Context::expect_asleep(const std::string& situation) {
  wait_until_quiet();
  expect_asleep_now(situation);
}

void Context::expect_asleep_now(const std::string& situation) {
  // On a crowded machine one that wakes up for a moment stands in line for long, and looks
  // runnable meanwhile. What tells it from one that spins is the time it gets to burn: so several
  // looks are taken, until one finds it asleep or it has burned what a sleeper never would.
  constexpr int most_looks = 10;
  std::uint64_t too_much = 20'000'000;  // nanoseconds, and some for each further look
  const std::uint64_t before = cpu_nanoseconds_of(server().pid()).value_or(0);
  for (int i = 0; i < most_looks; ++i, too_much += 5'000'000) {
    const auto seen = watch(server().pid());
    if (server().status_if_ended()) fail(situation + ", the server has ended.");
    if (!seen) throw Skipped{"the state of a thread cannot be seen here"};
    const bool wakes_up = seen->wakeups_per_second > 30;
    // Fifteen of a hundred: a correct server is seen running only while somebody wakes it.
    if (seen->runnable * 100 <= seen->looks * 15 && !wakes_up) return;
    const std::uint64_t burned = cpu_nanoseconds_of(server().pid()).value_or(too_much) - before;
    if (!wakes_up && burned < too_much) continue;
    fail(situation + ", the server was runnable in " + std::to_string(seen->runnable) + " of " +
         std::to_string(seen->looks) + " looks and woke up " +
         std::to_string(static_cast<int>(seen->wakeups_per_second)) + " times a second" +
         (wakes_up ? "" : ": it runs on, and does not come back to a wait") +
         ". It should sleep until something happens; " + describe_server());
  }
  throw Inconclusive{"the machine is so busy that a server asleep looks like one that spins"};
}

void Context::expect_no_spinning(const std::string& situation) {
  const std::uint64_t before = cpu_nanoseconds_of(server().pid()).value_or(0);
  const auto seen = watch(server().pid());
  if (server().status_if_ended()) fail(situation + ", the server has ended.");
  if (!seen) throw Skipped{"the state of a thread cannot be seen here"};
  if (seen->runnable * 2 < seen->looks) return;
  if (cpu_nanoseconds_of(server().pid()).value_or(0) < before + 20'000'000)
    throw Inconclusive{"the machine is so busy that a server asleep looks like one that spins"};
  fail(situation + ", the server was runnable in " + std::to_string(seen->runnable) + " of " +
       std::to_string(seen->looks) + " looks; " + describe_server());
}

std::optional<int> Context::wait_for_end() {
  Deadline deadline(*this);
  while (!server().status_if_ended() && !deadline.has_passed()) std::this_thread::sleep_for(tick);
  return server().status_if_ended();
}

void Context::expect_clean_stop() {
  server().signal(SIGTERM);
  expect_exit_status_0();
  expect_healthy();
}

void Context::expect_exit_status_0() {
  const auto status = wait_for_end();
  if (!status) fail("the server still runs; " + describe_server());
  if (*status != 0) fail("the server " + describe_status(*status) + " and should exit with 0.");
}

void Context::expect_healthy() {
  if (!server_) return;
  if (find_complaint(server_->error_output(), sanitizers_) != std::string::npos)
    fail_for_certain("a sanitizer complained.");
  const auto status = server_->status_if_ended();
  const bool ends_well = status == 0 && server_->was_asked_to_stop();
  if (status && !ends_well && server_->was_asked_to_stop())
    fail_for_certain("everything went well, but asked to end by SIGTERM it " +
                     describe_status(*status) + ", and should exit with status 0.");
  if (status && !ends_well) fail_for_certain("the server has ended.");
  if (status) return;
  // End it well, so that LeakSanitizer and the exit status have their say in every check.
  const bool is_our_wish = !server_->was_asked_to_stop();
  if (is_our_wish) server_->signal(SIGTERM);
  const bool has_ended = wait_for_end().has_value();
  if (is_our_wish && tested_.forgives_end) {
    if (find_complaint(server_->error_output(), sanitizers_) != std::string::npos)
      fail_for_certain("a sanitizer complained.");
    return;
  }
  if (!has_ended)
    fail_for_certain(
        "everything went well, but on SIGTERM afterwards, with all clients gone or idle, the " +
        ("server does not end; " + describe_server()));
  expect_healthy();
}

void Context::expect_no_delay_of_its_own() const {
  const std::uint64_t all = cpu_nanoseconds_of_descendants().value_or(0);
  const std::uint64_t burned = (all - std::min(all, burned_at_start_)) / 1'000'000;
  const auto passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_);
  const bool is_innocent = burned * 2 <= static_cast<std::uint64_t>(passed.count());
  if (!server_ || tested_.faults != nullptr || is_innocent) return;
  fail_for_certain("I was held up too long to judge, by your program: it burned " +
                   std::to_string(burned) + " ms of CPU time in " + std::to_string(passed.count()) +
                   " ms.");
}

void Context::expect_recovery() {
  tested_.faults->off();
  disturbed_by_ = 0;
  if (!server_ || server_->status_if_ended()) return;
  server_->run_on();  // the check may have ended while the server was stopped
  if (server_->was_asked_to_stop()) return;
  scene(done_ + " Then, with all those clients gone, the faults were turned off.",
        "the server serves the next client, and nothing is left of the others.");
  (void)limit_descriptors_of(server_->pid(), descriptor_limit());
  settle();
  if (!wait_until_quiet()) fail("the server does not go to sleep; " + describe_server());
  if (first_ && first_->descriptors > 0 && first_->threads > 0) expect_back_to(*first_);
}

std::string Context::describe_server() const {
  if (!server_) return "there is no server";
  if (const auto status = server_->status_if_ended())
    return "the server " + describe_status(*status);
  if (!can_observe_processes()) return "this system does not show what the server does";
  return describe_threads(server_->pid());
}

std::string Context::told(const std::string& seen) const {
  return done_ + "\nExpected: " + expected_ + "\nInstead: " + seen;
}

std::string Context::transcript() const {
  // From the last step back; the same step many times over is one line.
  std::string text;
  std::size_t first = steps_.size();
  for (std::size_t lines = 0; first > 0 && lines < tested_.most_steps; ++lines) {
    const std::string& step = steps_[first - 1];
    std::size_t times = 0;
    for (; first > 0 && steps_[first - 1] == step; --first) ++times;
    text = "  " + step + (times > 1 ? ", " + std::to_string(times) + " times" : "") + "\n" + text;
  }
  if (first > 0) text = "  ... " + std::to_string(first) + " steps before these\n" + text;
  return text;
}

Result run_check(const Check& check, const Tested& tested, const std::string& again) {
  constexpr int most_tries = 3;
  constexpr auto most_time = std::chrono::seconds(15);  // whoever waits for it has a timeout, too
  const auto begin = Clock::now();
  for (int tries = 1;; ++tries) {
    Result result = run_once(check, tested, again);
    result.tries = tries;
    if (result.outcome != Outcome::inconclusive || tries == most_tries ||
        Clock::now() - begin > most_time)
      return result;
  }
}
