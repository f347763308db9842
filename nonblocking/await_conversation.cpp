#include "nonblocking/await_conversation.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <new>

#include "common/counters.hpp"
#include "common/signals.hpp"

// Each co_await below is a statement of its own. Inside a condition, `while (co_await ...)`, g++ 12
// makes code that crashes: the awaiting coroutine's frame is marked as ended too early.

// -- the waits: here the coroutine parks, and the thread goes back to the loop --

AwaitConversation::Park AwaitConversation::readable(const Descriptor& descriptor) {
  wait_ = {descriptor.fd(), Until::readable};
  return {this};
}

AwaitConversation::Park AwaitConversation::writable(const Descriptor& descriptor) {
  wait_ = {descriptor.fd(), Until::writable};
  return {this};
}

// After a stop, only a look at what has come: to close over it would reset the connection.
AwaitConversation::Park AwaitConversation::more() {
  return stop_requested() ? writable(client_) : readable(client_);
}

// Takes what the socket has. False if no more will come.
bool AwaitConversation::read_more(bool in_time) {
  const bool was_silent = !exchange_.is_inside_request();
  if (!in_time) {
    if (!was_silent) exchange_.refuse(408);
    return !was_silent;
  }
  const ssize_t count = receive(client_.fd(), exchange_.room());
  if (count < 0 && is_not_ready(errno)) return !stop_requested();
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
    const bool has_more = exchange_.next_request() != nullptr || exchange_.has_outgoing();
    if (!has_more) continue;
    const bool in_time = co_await writable(client_);
    if (!in_time) co_return false;
  }
  co_return true;
}

// Waits until the backend has answered. `received` is the memory that the answer's text is in.
Task<Answer> AwaitConversation::ask_backend(std::string_view question, std::string& received) {
  if (surroundings_.backend_port == 0) co_return no_backend();
  const Descriptor backend = start_connecting(surroundings_.backend_port);
  if (!backend) co_return row_failure(is_exhaustion(errno) ? 503 : 502);
  if (backend.fd() >= surroundings_.descriptor_limit) co_return row_failure(503);

  while (!question.empty()) {
    const ssize_t count = send_some(backend.fd(), question);
    // Still connecting: Linux says EAGAIN, BSD and macOS ENOTCONN.
    const bool is_early = count < 0 && (is_not_ready(errno) || errno == ENOTCONN);
    if (count < 0 && !is_early) co_return row_failure(502);  // ECONNREFUSED, EPIPE...
    if (count > 0) question.remove_prefix(static_cast<std::size_t>(count));
    if (question.empty()) break;
    const bool in_time = co_await writable(backend);
    if (!in_time) co_return row_failure(504);
  }
  for (;;) {
    const bool in_time = co_await readable(backend);
    if (!in_time) co_return row_failure(504);
    const std::span<char> room = exchange_.room();
    const ssize_t count = receive(backend.fd(), room);
    if (count < 0 && is_not_ready(errno)) continue;
    if (count < 0) co_return row_failure(502);
    received.append(room.data(), static_cast<std::size_t>(count));
    if (const auto answer = relay_row(received, count == 0)) co_return *answer;
  }
}

// -- the conversation --

// Waits until a whole request is here. False if there will be none. What has been answered leaves
// before the coroutine parks for more.
Task<bool> AwaitConversation::read_request() {
  for (;;) {
    if (exchange_.next_request() != nullptr) {
      progressed_ = true;
      co_return true;
    }
    if (exchange_.has_outgoing()) {
      const bool is_there = co_await write_answers();
      if (!is_there) co_return false;
    } else {
      if (exchange_.is_closing()) co_return false;
      const bool in_time = co_await more();
      if (!read_more(in_time)) co_return false;
    }
  }
}

Task<bool> AwaitConversation::answer_with_row() {
  const std::string question = backend_request(exchange_.request());
  const bool is_there = co_await write_answers();  // who is answered need not wait for the row
  if (!is_there) co_return false;
  std::string received;
  const Answer answer = co_await ask_backend(question, received);
  if (exchange_.next_request() == nullptr) co_return false;  // the waits have cleared the bench
  exchange_.answer(answer);
  co_return true;
}

// What the client still sends may end in a reset. So all that we have said must have left first.
Task<AwaitConversation::Over> AwaitConversation::end() {
  while (!is_all_sent(client_.fd())) {
    const bool in_time = co_await writable(client_);
    if (!in_time) co_return Over::yes;
  }
  if (shutdown(client_.fd(), SHUT_WR) < 0) co_return Over::yes;  // ENOTCONN: it is gone
  for (;;) {
    const ssize_t count = receive(client_.fd(), exchange_.room());
    const bool may_come = count < 0 && is_not_ready(errno) && !stop_requested();
    const bool has_come = count > 0 && exchange_.discard(static_cast<std::size_t>(count));
    if (!may_come && !has_come) break;
    const bool in_time = co_await more();
    if (!in_time) break;
  }
  co_return Over::yes;
}

Task<AwaitConversation::Over> AwaitConversation::converse() {
  bool goes_on = true;  // up here it fills a gap: g++ lays out a frame in the order of the text
  for (;;) {
    goes_on = co_await read_request();
    if (!goes_on) break;
    if (!asks_backend(exchange_.request())) {
      exchange_.answer(answer_to(exchange_.request()));
    } else {
      goes_on = co_await answer_with_row();
      if (!goes_on) co_return Over::yes;
    }
  }
  if (exchange_.should_linger()) co_await end();
  co_return Over::yes;
}

// -- as the loop sees it --

std::optional<Wait> AwaitConversation::resume() noexcept {
  return take_turn(/*in_time=*/true);
}

std::optional<Wait> AwaitConversation::expire() noexcept {
  if (!has_begun()) return std::nullopt;
  return take_turn(/*in_time=*/false);
}

std::optional<Wait> AwaitConversation::take_turn(bool in_time) noexcept try {
  progressed_ = false;
  exchange_.take_up();
  if (has_begun()) {
    in_time_ = in_time;
    std::exchange(parked_, {}).resume();
  } else {
    is_ready_ = true;  // the first wait: the client has sent something, or nobody would call
    body_ = converse();
  }
  if (body_.has_ended()) return std::nullopt;
  Counters::count(counters.waits);
  exchange_.stow();
  return wait_;
} catch (const std::bad_alloc&) {
  return std::nullopt;
}
