// await_conversation.hpp — one client's requests and answers, as a coroutine.
//
// A straight line again, cut by the compiler: co_await says what is waited for and gives the
// thread back to the loop. To the loop this is the same thing as common/conversation.hpp, with
// the same names; compare the bodies, and both with blocking/straight_line.cpp.
#pragma once

#include <coroutine>
#include <optional>
#include <string>
#include <string_view>

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

  // As in Conversation.
  std::optional<Wait> resume() noexcept;
  std::optional<Wait> expire() noexcept;
  Wait wait_for_client() const { return {client_.fd(), Until::readable}; }
  bool has_progressed() const { return progressed_; }
  bool is_for_backend(Wait wait) const { return wait.fd != client_.fd(); }

 private:
  struct Parking;
  struct Over {};

  // Awaited, these give the thread back until the descriptor is ready: true, or the time has run
  // out: false.
  Parking readable(const Descriptor& descriptor);
  Parking writable(const Descriptor& descriptor);

  Task<bool> write_answers();
  Task<Answer> ask_backend(std::string_view question, std::string& received);
  Task<std::optional<Request>> read_request();
  bool read_more(bool in_time);
  Task<bool> answer_with_row(const Request& request);
  Task<Over> linger();
  Task<Over> converse();

  Surroundings& surroundings_;
  Exchange exchange_;
  Task<Over> body_;                 // empty until the client sends something
  std::coroutine_handle<> parked_;  // the innermost coroutine, which waits
  Wait wait_;
  Descriptor client_;
  bool is_ready_ = false;  // the wait that comes next is over already
  bool progressed_ = false;
  bool expired_ = false;
};
