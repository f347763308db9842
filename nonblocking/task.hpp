// task.hpp — a coroutine that another coroutine can await.
//
// Calling a coroutine runs it at once, up to its first wait. What it needs to go on from there,
// its frame, the compiler keeps on the heap: the continuation that common/conversation.cpp writes
// by hand.
//
// Gives: Task<Result>, the owner of such a frame. `co_await task` gives its result, at once if
//        there was nothing to wait for. Destroying a Task that has not ended destroys its frame,
//        and with it the tasks it awaits, down to the innermost: nothing is left behind.
// Do not: destroy a Task from inside itself.
#pragma once

#include <coroutine>
#include <new>
#include <optional>
#include <utility>

namespace two_ways {

template <class Result>
class Task {
 public:
  struct promise_type;

  // When the coroutine has ended, whoever awaits it goes on.
  struct End {
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(
        std::coroutine_handle<promise_type> ended) const noexcept {
      if (ended.promise().awaiter) return ended.promise().awaiter;
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  struct promise_type {
    std::coroutine_handle<> awaiter;
    std::optional<Result> result;  // empty at the end: for want of memory

    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    End final_suspend() const noexcept { return {}; }
    void return_value(Result value) { result = std::move(value); }
    // No exception may reach the loop, which has called resume() and serves others too. That there
    // was no memory await_resume() hands to whoever awaits the result. Any other exception would be
    // a bug: noexcept makes it end the program.
    void unhandled_exception() const noexcept {
      try {
        throw;
      } catch (const std::bad_alloc&) {
      }
    }
  };

  Task() = default;
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~Task() {
    if (frame_) frame_.destroy();
  }

  bool has_ended() const { return frame_.done(); }

  bool await_ready() const noexcept { return has_ended(); }
  void await_suspend(std::coroutine_handle<> awaiter) noexcept {
    frame_.promise().awaiter = awaiter;
  }
  Result await_resume() {
    if (!frame_.promise().result) throw std::bad_alloc();
    return std::move(*frame_.promise().result);
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}

  std::coroutine_handle<promise_type> frame_;
};

}  // namespace two_ways
