// check.hpp — one black-box check: data and one function.
//
// Gives: the table of all checks, and run_check(), which starts what a check needs, runs it and
//        says in a student's words how it ended. The tests run the table against our own servers;
//        a grader can run the same table against somebody else's.
// Do:    in a check, say first what is done and what is expected (Scene), then act. Let the
//        stimulus force the path that is tested; claim an absence only after a barrier.
// Do not: sleep for a fixed time where an event can be waited for, or judge a speed.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tests/kit/child_process.hpp"
#include "tests/kit/fault_plan.hpp"
#include "tests/kit/observe.hpp"
#include "tests/kit/servers.hpp"
#include "tests/kit/sockets.hpp"

// What the machine must be able to do for a check; without it the check is skipped.
using Needs = unsigned;
inline constexpr Needs need_proc = 1;         // /proc/PID
inline constexpr Needs need_sockets = 2;      // exact questions about one socket
inline constexpr Needs need_plain_build = 4;  // a server without sanitizers
inline constexpr Needs need_peace = 8;  // not with faults on purpose: it measures, for example

class Context;
class Client;

// What a check does, and where that is written: a failed case says so. (As std::source_location
// does it, which clang 14 has not.) One that takes a client, too, begins with one that connects.
class Body {
 public:
  constexpr Body() = default;
  template <class Function>
  constexpr Body(Function function, const char* in = __builtin_FILE(),
                 unsigned at = __builtin_LINE())
      : file(in), line(at) {
    if constexpr (std::is_invocable_v<Function, Context&>)
      alone_ = function;
    else
      with_client_ = function;
  }

  void operator()(Context& context) const;
  bool operator==(std::nullptr_t) const { return alone_ == nullptr && with_client_ == nullptr; }

  const char* file = "";
  unsigned line = 0;

 private:
  void (*alone_)(Context&) = nullptr;
  void (*with_client_)(Context&, Client&) = nullptr;
};

// What is done, and what should come of it: the first lines of every failure. A check that works
// out some of it leaves this empty, and says it by Context::scene.
struct Scene {
  const char* done = "";
  const char* expected = "";
};

// A question, and where the text explains it.
struct Hint {
  const char* question = "";
  const char* lesson = "";
};

struct Name {
  const char* id = "";
  const char* title = "";
};

struct Check {
  Name name = {};
  Models models = every;
  Needs needs = 0;
  // Under these faults a client may be closed instead of served, or the check's own count be off:
  // then it ends early, and what must hold is: right or closed, alive, others served, nothing left.
  Faults disturbed_by = breaking_faults;
  Hint hint = {};
  Scene scene = {};
  Body run = {};
};

// How a check ends other than well. The story is for the reader of the server's code.
struct Failed {
  std::string story;
};
struct Skipped {
  std::string why;
};
struct Inconclusive {  // the tester itself was held up too long to judge
  std::string why;
};

// A fault on purpose has ended the check early, by right.
struct Disturbed {
  std::string how;
};

// The program that a check is run against.
struct Tested {
  std::string name;
  std::string path;
  Models model = 0;
  FaultPlan* faults = nullptr;        // what its system calls suffer; somebody else's
  Timeout timeout = default_timeout;  // with a plain build
  std::string build = "build";        // where our own programs are, for comparisons
  std::size_t most_steps = 25;        // in the story of a failure: the last
  bool tells_all = false;             // a check that passes has a story, too
  bool forgives_end = false;          // how it ends on SIGTERM is another check's matter
};

// What a server has; of threads, as many as there may be if nobody asks.
struct Holdings {
  std::size_t descriptors = 0;
  std::size_t threads = static_cast<std::size_t>(-1);
};

class Context {
 public:
  // `disturbed_by`: see Check.
  explicit Context(const Tested& tested, Faults disturbed_by = 0);

  const Tested& tested() const { return tested_; }
  bool is(Models models) const { return (tested_.model & models) != 0; }
  const Sanitizers& sanitizers() const { return sanitizers_; }
  Timeout timeout() const;
  void set_timeout(Timeout timeout) { own_timeout_ = timeout; }

  // Starts the program, in place of the one that may be running. Fails the check if it does not
  // get ready. `arguments` are all but the port.
  ChildProcess& start(const Launch& launch = {});
  ChildProcess& start_with(std::vector<std::string> arguments);
  // A server whose sockets hold a few thousand bytes: a larger answer cannot leave in one piece.
  ChildProcess& start_small(std::vector<std::string> arguments = {});
  ChildProcess& server();
  // Notes a command line of the program; behind prefork's options, it adds what prefork is to run.
  void complete_command(const char* verb, std::vector<std::string>& arguments);

  void scene(std::string done, std::string expected);  // see Scene
  void play(const Check& check);                       // its scene, and what it does
  // These faults, too, may be the cause from now on; see Check.
  void add_disturbances(Faults faults) { disturbed_by_ |= faults; }
  // Throws Failed; or Disturbed, if a fault on purpose may be the cause.
  [[noreturn]] void fail(const std::string& seen) const;
  // Throws Failed: no fault excuses an answer that is wrong, or an end that is not clean.
  [[noreturn]] void fail_for_certain(const std::string& seen) const;
  void expect(bool holds, const std::string& seen) const;

  // One line of the transcript that a failure ends with.
  void note(std::string step);
  int next_client() { return ++clients_; }

  // Waits until `holds()`; fails with what `seen()` says when the timeout has run out.
  void eventually(const std::function<bool()>& holds, const std::function<std::string()>& seen);

  // Does the server stand in line for a core of a crowded machine? It is runnable, and has hardly
  // computed so far, or waits for longer than it computes; silence then says nothing about it.
  bool waits_for_a_core() const;

  // ThreadSanitizer can lose a signal that comes just before a call that waits. There a stop that
  // shows no effect is sent once more, which ends a server at once, and not with 0, if it had heard
  // the first. False elsewhere.
  bool repeats_lost_stop() const;

  // The barrier. A fresh client has been served and all threads have gone to sleep: what was
  // there before has been seen by the server.
  void settle();
  // Only the second half: all threads sleep, and have not woken for 40 ms. False when the timeout
  // runs out first; the checks that ask for sleep look themselves.
  bool wait_until_quiet();

  // The body that /echo/TOKEN brings from this program.
  std::string echo(std::string_view token) const;

  // Kills one of prefork's copies. Fails unless another one takes its place.
  void expect_replacement();

  // Looks that end the check as skipped if this system cannot take them.
  std::size_t descriptors();
  Memory memory();
  std::size_t threads();
  std::uint64_t cpu_nanoseconds();
  // It may have so many descriptors from now on.
  void limit_descriptors(std::size_t most);

  Holdings holdings() { return {descriptors(), threads()}; }
  // Fails unless it comes back to what it had, as far as this system tells.
  void expect_back_to(const Holdings& before);
  // Fails if it has grown by more than so much since. Sanitizers keep what has been freed, and have
  // tables that grow by themselves.
  void expect_growth_below(std::size_t most_kib, std::size_t Memory::*kind, const Memory& before);
  // Fails unless the server sleeps: neither runnable nor waking up again and again.
  void expect_asleep(const std::string& situation);
  void expect_asleep_now(const std::string& situation);  // without a moment to come to rest
  // The same for one that has to try again and again: a pause before each try is rest enough.
  void expect_no_spinning(const std::string& situation);

  // SIGTERM, and exit status 0 within the timeout.
  void expect_clean_stop();
  // The same of one that has been told to stop already.
  void expect_exit_status_0();
  // The status of waitpid(2), if it ends within the timeout.
  std::optional<int> wait_for_end();
  // The check has ended the server in its own way, and has looked at its status.
  void forget_server() { server_.reset(); }
  // Is it alive, or has it ended well when it was asked to, and has no sanitizer complained?
  void expect_healthy();
  // The tester was held up too long to judge. Fails if the program has had most of that time: it
  // burned more than half of it, as nobody does who is only watched.
  void expect_no_delay_of_its_own() const;
  // Without faults from now on, and with all clients of the check gone: does it serve the next one,
  // and is nothing left of the others?
  void expect_recovery();

  // What can be said of the server's state at the moment.
  std::string describe_server() const;
  std::string transcript() const;
  // A story's beginning: what was done, what was expected, and this.
  std::string told(const std::string& seen) const;

 private:
  template <class Seen>
  Seen see(std::optional<Seen> (*look)(pid_t), const char* why);

  Tested tested_;
  Sanitizers sanitizers_;
  std::unique_ptr<ChildProcess> server_;
  std::string done_;
  std::string expected_;
  std::vector<std::string> steps_;
  int clients_ = 0;
  std::optional<Timeout> own_timeout_;
  Faults disturbed_by_ = 0;
  std::chrono::steady_clock::time_point started_;  // when the server that runs was ready
  std::uint64_t burned_at_start_ = 0;              // nanoseconds of CPU time until then
  std::optional<Holdings> first_;                  // of the server that runs, when it was ready
};

// The end of the timeout. It is put off, three times at most, while the server waits for a core.
class Deadline {
 public:
  explicit Deadline(const Context& context);
  bool has_passed();

 private:
  const Context* context_;
  std::chrono::steady_clock::time_point end_;
  int more_ = 3;
};

// The clock of a check: it knows when the tester itself was held up for too long to judge.
class Pace {
 public:
  explicit Pace(std::chrono::milliseconds longest_gap) : longest_gap_(longest_gap) {}
  void step(std::chrono::milliseconds length);

 private:
  std::chrono::milliseconds longest_gap_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// With this a sanitizer ends a program, if the environment says so (the grader's does).
inline constexpr int sanitizer_exit_status = 86;

// Where a report begins, a sanitizer's or that of _FORTIFY_SOURCE, in what a program with these
// sanitizers has said; npos if there is none.
std::size_t find_complaint(std::string_view text, const Sanitizers& sanitizers);

enum class Outcome { passed, disturbed, failed, skipped, inconclusive, broken };

struct Result {
  Outcome outcome = Outcome::passed;
  std::string story;  // why, unless passed (see Tested::tells_all)
  int tries = 1;
};

// Runs the check, up to three times while it is inconclusive, each time with a server of its own.
// `again` is the command that repeats it, for the story.
Result run_check(const Check& check, const Tested& tested, const std::string& again);
