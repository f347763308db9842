// await_conversation.hpp — one client's requests and responses, as a coroutine.
//
// A straight line again, cut by the compiler: co_await says what is waited for and gives the
// thread back to the loop. To the loop this is the same thing as common/conversation.hpp, with
// the same names; compare the bodies, and both with blocking/straight_line.cpp.
#pragma once

#include <cassert>
#include <coroutine>
#include <optional>
#include <utility>

#include "common/context.hpp"
#include "common/http_codec.hpp"
#include "common/socket.hpp"
#include "common/wait.hpp"
#include "nonblocking/task.hpp"

namespace two_ways {

class AwaitConversation {
 public:
  // Takes over the client's non-blocking socket. The context must live longer.
  AwaitConversation(Descriptor client, Context& context)
      : codec_(context), client_(std::move(client)) {}

  // Only before the first resume(): after it the coroutines know where their conversation is.
  AwaitConversation(AwaitConversation&& other) noexcept
      : codec_(std::move(other.codec_)), client_(std::move(other.client_)) {
    assert(!other.has_begun());
  }

  // As in Conversation.
  Turn resume() noexcept;
  Turn expire() noexcept;

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

  bool read_more(bool in_time);
  bool answer_requests();
  bool send_responses();
  Task<Response> ask_backend(Request request, BorrowedBuffer& received);
  Task<bool> respond_from_backend();
  Task<Over> linger();
  Task<Over> converse();

  Context& context() const { return codec_.context(); }
  bool has_begun() const { return static_cast<bool>(parked_); }
  Turn take_turn(bool in_time) noexcept;

  HttpCodec codec_;
  Task<Over> body_;                 // empty until the client sends something
  std::coroutine_handle<> parked_;  // the innermost coroutine,
  Wait wait_;                       // which waits for this
  Descriptor client_;
  bool is_ready_ = false;  // the next wait is over already, so there is no need to park
  bool in_time_ = true;    // the last wait ended because its descriptor was ready
  Progress progress_ = Progress::none;  // of this turn
};

}  // namespace two_ways
