// Coroutines: who owns a frame, and when is it freed?
#include "nonblocking/task.hpp"

#include <doctest/doctest.h>

#include <coroutine>
#include <csignal>
#include <new>
#include <stdexcept>
#include <string>

#include "tests/kit/forked.hpp"
#include "tests/unit/memory.hpp"

namespace {

// A local object in a coroutine's frame.
struct Local {
  Local() { ++alive; }
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;
  ~Local() { --alive; }
  static inline int alive = 0;
};

// What a coroutine waits for in these tests: that somebody calls go_on().
struct Gate {
  std::coroutine_handle<> parked;

  auto pass() {
    struct Pass {
      Gate& gate;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> innermost) const { gate.parked = innermost; }
      void await_resume() const {}
    };
    return Pass{*this};
  }

  void go_on() { std::exchange(parked, {}).resume(); }
};

Task<int> answer_at_once() {
  const Local local;
  co_return 42;
}

Task<int> answer_later(Gate& gate) {
  const Local local;
  co_await gate.pass();
  co_return 42;
}

Task<std::string> ask_twice(Gate& gate) {
  const Local local;
  const int one = co_await answer_later(gate);
  const int two = co_await answer_later(gate);
  co_return std::to_string(one + two);
}

Task<std::string> ask_through(Gate& gate, int levels) {
  const Local local;
  if (levels == 0) co_return co_await ask_twice(gate);
  co_return co_await ask_through(gate, levels - 1);
}

Task<int> fail(Gate& gate, bool at_once) {
  const Local local;
  if (!at_once) co_await gate.pass();
  throw std::bad_alloc();
  co_return 0;
}

Task<int> throw_another(Gate& gate) {
  co_await gate.pass();
  throw std::out_of_range("a bug");
  co_return 0;
}

Task<std::string> notice_failure(Gate& gate, bool at_once) {
  try {
    co_await fail(gate, at_once);
    co_return "went on";
  } catch (const std::bad_alloc&) {
    co_return "noticed";
  }
}

Task<std::string> pass_failure_on(Gate& gate) {
  co_await fail(gate, false);
  co_return "went on";
}

// Reads the result of a task that has ended.
template <class Result>
Result result_of(Task<Result>& task) {
  REQUIRE(task.has_ended());
  return task.await_resume();
}

}  // namespace

TEST_CASE("task: a coroutine runs at once, up to its first wait; its locals die when it ends") {
  const long memory = allocations_in_use();
  {
    Gate gate;
    Task<int> at_once = answer_at_once();
    const bool is_gone = Local::alive == 0;
    Task<int> later = answer_later(gate);
    CHECK(is_gone);
    CHECK(result_of(at_once) == 42);
    CHECK_FALSE(later.has_ended());
    CHECK(gate.parked);
    gate.go_on();
    CHECK(result_of(later) == 42);
  }
  INFO("and its frame with its owner");
  CHECK(allocations_in_use() == memory);
}

TEST_CASE("task: whoever awaits goes on when the result is there") {
  Gate gate;
  Task<std::string> task = ask_through(gate, 5);
  CHECK_FALSE(task.has_ended());
  INFO("seven frames below one another and one innermost, each with its local");
  CHECK(Local::alive == 8);
  gate.go_on();
  CHECK_FALSE(task.has_ended());
  gate.go_on();
  CHECK(result_of(task) == "84");
  CHECK(Local::alive == 0);
}

TEST_CASE("task: destroyed in the middle of a wait, it leaves nothing behind") {
  const long memory = allocations_in_use();
  for (int turns = 0; turns <= 1; ++turns) {
    Gate gate;
    {
      const Task<std::string> task = ask_through(gate, 5);
      if (turns == 1) gate.go_on();
      CHECK(Local::alive == 8);
    }
    CAPTURE(turns);
    INFO("all frames, down to the innermost, are gone with their locals");
    CHECK(Local::alive == 0);
    CHECK(allocations_in_use() == memory);
  }
}

TEST_CASE("task: a failure reaches whoever awaits, and nobody who resumes") {
  Gate gate;
  Task<std::string> at_once = notice_failure(gate, true);
  CHECK(result_of(at_once) == "noticed");
  Task<std::string> later = notice_failure(gate, false);
  CHECK_NOTHROW(gate.go_on());
  CHECK(result_of(later) == "noticed");
  Task<std::string> unnoticed = pass_failure_on(gate);
  CHECK_NOTHROW(gate.go_on());
  CHECK(unnoticed.has_ended());
  CHECK_THROWS_AS(unnoticed.await_resume(), std::bad_alloc);
  CHECK(Local::alive == 0);
}

TEST_CASE("task: any other exception than a lack of memory ends the program where it was thrown") {
  const ChildEnd end = run_in_child([] {
    Gate gate;
    const Task<int> task = throw_another(gate);
    gate.go_on();
  });
  CHECK(end.signal == SIGABRT);
  CHECK(end.err.find("out_of_range") != std::string::npos);
}

TEST_CASE("task: no memory for a frame, at any level") {
  Gate gate;
  bool ran_through = false;
  for (long successes = 0; !ran_through; ++successes) {
    fail_allocations_after(successes);
    {
      Task<std::string> task;
      bool thrown = false;
      try {
        task = ask_through(gate, 5);
      } catch (const std::bad_alloc&) {
        thrown = true;  // not even the outermost frame
      }
      if (!thrown && !task.has_ended()) gate.go_on();
      if (!thrown && !task.has_ended()) gate.go_on();
      ran_through = !allocation_has_failed();
      fail_allocations_after(-1);
      CHECK((thrown || task.has_ended()));
    }
    CHECK(Local::alive == 0);
    REQUIRE(successes < 100);
  }
}
