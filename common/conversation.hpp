// conversation.hpp — one client's requests and responses, as continuations.
//
// The straight line "read, ask the backend, write" is cut at every wait. Each piece runs until it
// would block, then says what it waits for and in which state it goes on from there. Nobody parks.
//
// Gives: resume(), which goes on from the present state and returns the new wait, or none when the
//        conversation is over.
// Do:    call resume() when the wait is over; calling it too early is harmless (it says the same
//        wait again). The first wait is for the client's socket to be readable. Destroy the
//        conversation when it is over.
// Do not: watch two waits of one conversation. It waits for exactly one thing at a time: while a
//        response is unsent it does not read (back-pressure), and while it waits for the backend it
//        does not look at its client. A client that leaves meanwhile is noticed when the backend
//        answers. Noticing it sooner would cost a second registration, two more calls a request,
//        and an owner that two events of one wake-up may both want to end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/context.hpp"
#include "common/http_codec.hpp"
#include "common/socket.hpp"
#include "common/wait.hpp"

namespace two_ways {

class Conversation {
 public:
  // Takes over the client's non-blocking socket. The context must live longer.
  Conversation(Descriptor client, Context& context) : codec_(context), client_(std::move(client)) {}

  // Runs until it would block. Never throws: without memory the conversation is over.
  Turn resume() noexcept;

  // The time for the present wait has run out. A client that still waits is told so.
  Turn expire() noexcept;

 private:
  enum class State : std::uint8_t {
    read_request,
    answer_requests,
    write_responses,
    ask_backend,
    read_from_backend,
    end,
    linger
  };

  // A request to the backend, over a socket of its own.
  struct BackendRequest {
    Request request;  // the client's; it points into the codec's input
    Descriptor socket = {};
    std::string bytes = {};
    std::string_view unsent = {};
    BorrowedBuffer received = {};
  };

  Turn take_turn(bool in_time) noexcept;
  std::optional<Wait> run_state(bool in_time);
  std::optional<Wait> give_up();

  // The pieces, in the order of the conversation.
  std::optional<Wait> read_request();
  std::optional<Wait> answer_requests();
  std::optional<Wait> write_responses();
  std::optional<Wait> connect_to_backend();
  std::optional<Wait> ask_backend();
  std::optional<Wait> read_from_backend();
  std::optional<Wait> end();
  std::optional<Wait> linger();

  std::optional<Wait> respond_from_backend(const Response& response);
  Wait wait_for_more(State next);
  Wait wait(const Descriptor& descriptor, Interest interest, State next);
  Context& context() const { return codec_.context(); }
  bool is_at_backend() const { return backend_ && backend_->socket; }

  HttpCodec codec_;
  std::unique_ptr<BackendRequest> backend_;
  Descriptor client_;
  State state_ = State::read_request;
  Progress progress_ = Progress::none;  // of this turn
};

}  // namespace two_ways
