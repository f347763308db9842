// await_conversation.hpp — one client's requests and answers, as a coroutine.
//
// A straight line again, cut by the compiler: co_await says what is waited for and gives the
// thread back to the loop. To the loop this is the same thing as common/conversation.hpp, with
// the same names; compare the bodies, and both with blocking/straight_line.cpp.
#pragma once

#include <cassert>
#include <coroutine>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/exchange.hpp"
#include "common/socket.hpp"
#include "common/surroundings.hpp"
#include "common/wait.hpp"
#include "nonblocking/task.hpp"

class AwaitConversation {
 public:
  // Takes over the client's non-blocking socket. The surroundings must live longer.
  AwaitConversation(Descriptor client, Surroundings& surroundings)
      : surroundings_(surroundings), exchange_(surroundings.bench), client_(std::move(client)) {}

  // Only before the first resume(): after it the coroutines know where their conversation is.
  AwaitConversation(AwaitConversation&& other) noexcept
      : surroundings_(other.surroundings_),
        exchange_(std::move(other.exchange_)),
        client_(std::move(other.client_)) {
    assert(!other.has_begun());
  }

  // As in Conversation.
  std::optional<Wait> resume() noexcept;
  std::optional<Wait> expire() noexcept;
  Wait request_wait() const { return {client_.fd(), Until::readable}; }
  bool has_progressed() const { return progressed_; }
  bool is_for_backend(Wait wait) const { return wait.fd != client_.fd(); }

 private:
  enum class Over : char { yes };  // no struct: an empty one would take a word of the frame

  // What co_await does: notes who is parked, and gives the thread back to the loop. Later it is
  // true if the descriptor is ready, false if the time has run out.
  struct Park {
    AwaitConversation* conversation;
    bool await_ready() const { return std::exchange(conversation->is_ready_, false); }
    void await_suspend(std::coroutine_handle<> innermost) const {
      conversation->parked_ = innermost;
    }
    bool await_resume() const { return conversation->in_time_; }
  };

  Park readable(const Descriptor& descriptor);
  Park writable(const Descriptor& descriptor);
  Park more();

  Task<bool> write_answers();
  Task<Answer> ask_backend(std::string_view question, std::string& received);
  Task<bool> read_request();
  bool read_more(bool in_time);
  Task<bool> answer_with_row();
  Task<Over> end();
  Task<Over> converse();

  bool has_begun() const { return static_cast<bool>(parked_); }
  std::optional<Wait> take_turn(bool in_time) noexcept;

  Surroundings& surroundings_;
  Exchange exchange_;
  Task<Over> body_;                 // empty until the client sends something
  std::coroutine_handle<> parked_;  // the innermost coroutine,
  Wait wait_;                       // which waits for this
  Descriptor client_;
  bool is_ready_ = false;  // the next wait is over already, so there is no need to park
  bool in_time_ = true;    // the last wait ended because its descriptor was ready
  bool progressed_ = false;
};
