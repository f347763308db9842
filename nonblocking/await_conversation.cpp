#include "nonblocking/await_conversation.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <new>

#include "common/counters.hpp"
#include "common/signals.hpp"

// -- the waits: here the coroutine parks, and the thread goes back to the loop --

struct AwaitConversation::Parking {
  AwaitConversation& conversation;
  Wait wait;

  bool await_ready() const { return std::exchange(conversation.is_ready_, false); }

  void await_suspend(std::coroutine_handle<> parked) {
    Counters::count(counters.waits);
    conversation.exchange_.stow();
    conversation.wait_ = wait;
    conversation.parked_ = parked;
  }

  bool await_resume() const {
    conversation.exchange_.take_up();
    return !conversation.expired_;
  }
};

AwaitConversation::Parking AwaitConversation::readable(const Descriptor& descriptor) {
  return {*this, {descriptor.fd(), Until::readable}};
}

AwaitConversation::Parking AwaitConversation::writable(const Descriptor& descriptor) {
  return {*this, {descriptor.fd(), Until::writable}};
}

// Takes what the socket has. False if no more will come.
bool AwaitConversation::read_more(bool in_time) {
  const bool was_silent = !exchange_.is_inside_request();
  if (!in_time) {
    if (!was_silent) exchange_.refuse(408);
    return !was_silent;
  }
  const ssize_t count = receive(client_.fd(), exchange_.room());
  if (count < 0 && is_not_ready(errno)) return true;
  if (count <= 0) return false;  // the client has ended its stream, or it is gone
  progressed_ = was_silent;
  exchange_.received(static_cast<std::size_t>(count));
  return true;
}

// Sends all that is to be sent. False if the client is gone.
Task<bool> AwaitConversation::write_answers() {
  while (exchange_.has_outgoing()) {
    const ssize_t count = send_some(client_.fd(), exchange_.outgoing());
    if (count < 0 && !is_not_ready(errno)) co_return false;
    progressed_ = progressed_ || count > 0;
    if (count > 0) exchange_.sent(static_cast<std::size_t>(count));
    // One send a turn, even if the next would fit: the others want their turn too.
    const bool has_more = exchange_.has_outgoing() || exchange_.next_request().has_value();
    if (has_more && !co_await writable(client_)) co_return false;
  }
  co_return true;
}

// Waits until the backend has answered. `received` is the memory that the answer's text is in.
Task<Answer> AwaitConversation::ask_backend(std::string_view question, std::string& received) {
  if (surroundings_.backend_port == 0) co_return no_backend();
  const Descriptor backend = start_connecting(surroundings_.backend_port);
  if (!backend) co_return row_failure(is_exhaustion(errno) ? 503 : 502);

  while (!question.empty()) {
    const ssize_t count = send_some(backend.fd(), question);
    // Still connecting: Linux says EAGAIN, BSD and macOS ENOTCONN.
    const bool is_early = count < 0 && (is_not_ready(errno) || errno == ENOTCONN);
    if (count < 0 && !is_early) co_return row_failure(502);  // ECONNREFUSED, EPIPE...
    if (count > 0) question.remove_prefix(static_cast<std::size_t>(count));
    if (!question.empty() && !co_await writable(backend)) co_return row_failure(504);
  }
  while (co_await readable(backend)) {
    const std::span<char> room = exchange_.room();
    const ssize_t count = receive(backend.fd(), room);
    if (count < 0 && is_not_ready(errno)) continue;
    if (count < 0) co_return row_failure(502);
    received.append(room.data(), static_cast<std::size_t>(count));
    if (const auto answer = relay_row(received, count == 0)) co_return *answer;
  }
  co_return row_failure(504);
}

// -- the conversation --

// The next request, or nothing if there will be none. What has been answered leaves before the
// coroutine parks for more.
Task<std::optional<Request>> AwaitConversation::read_request() {
  for (;;) {
    if (const auto request = exchange_.next_request()) {
      progressed_ = true;
      co_return request;
    }
    if (exchange_.has_outgoing()) {
      if (!co_await write_answers()) co_return std::nullopt;
    } else if (exchange_.is_closing() || stop_requested() ||
               !read_more(co_await readable(client_))) {
      co_return std::nullopt;
    }
  }
}

Task<bool> AwaitConversation::answer_with_row(const Request& request) {
  const std::string question = backend_request(request);
  if (!co_await write_answers()) co_return false;  // who is answered need not wait for the row
  std::string received;
  const Answer answer = co_await ask_backend(question, received);
  exchange_.answer(exchange_.next_request().value(), answer);
  co_return true;
}

// Reads what the client still sends, so that the last answer is not overtaken by a reset.
Task<AwaitConversation::Over> AwaitConversation::linger() {
  if (shutdown(client_.fd(), SHUT_WR) < 0) co_return Over{};  // ENOTCONN: it is gone
  constexpr int most_turns = 64;
  for (int i = 0; i < most_turns && !stop_requested(); ++i) {
    if (!co_await readable(client_)) break;
    const ssize_t count = receive(client_.fd(), exchange_.room());
    if (count == 0 || (count < 0 && !is_not_ready(errno))) break;
  }
  co_return Over{};
}

Task<AwaitConversation::Over> AwaitConversation::converse() {
  while (const std::optional<Request> request = co_await read_request()) {
    if (!asks_backend(*request))
      exchange_.answer(*request, answer_to(*request));
    else if (!co_await answer_with_row(*request))
      co_return Over{};
  }
  if (exchange_.should_linger()) co_await linger();
  co_return Over{};
}

// -- as the loop sees it --

std::optional<Wait> AwaitConversation::resume() noexcept try {
  progressed_ = false;
  if (parked_) {
    std::exchange(parked_, {}).resume();
  } else {
    is_ready_ = true;
    body_ = converse();
  }
  if (body_.has_ended()) return std::nullopt;
  return wait_;
} catch (const std::bad_alloc&) {
  return std::nullopt;  // not even the first frame could be had
}

std::optional<Wait> AwaitConversation::expire() noexcept {
  if (!parked_) return std::nullopt;
  expired_ = true;
  const std::optional<Wait> wait = resume();
  expired_ = false;
  return wait;
}
