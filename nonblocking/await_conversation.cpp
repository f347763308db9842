#include "nonblocking/await_conversation.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <string_view>

#include "common/backend.hpp"

// Each call of a coroutine makes a frame, by malloc(3), and its end frees it. So the common round,
// read a request and write the response, is one coroutine, converse(), and plain functions: its
// frame is made once for a client. What is rare, to ask the backend and to linger, has frames of
// its own for as long as it takes.
//
// Each co_await below is a statement of its own. Inside a condition, `while (co_await ...)`, g++ 12
// makes code that crashes: the awaiting coroutine's frame is marked as ended too early.

namespace two_ways {

// -- the waits: here the coroutine parks, and the thread goes back to the loop --

AwaitConversation::Park AwaitConversation::readable(const Descriptor& descriptor) {
  wait_ = {descriptor.fd(), Interest::readable};
  return {this};
}

AwaitConversation::Park AwaitConversation::writable(const Descriptor& descriptor) {
  wait_ = {descriptor.fd(), Interest::writable};
  return {this};
}

// While draining, only a look at what has come already: the socket has room to write, so the wait
// ends at once, and the recv that follows decides. To close without it would reset the connection.
AwaitConversation::Park AwaitConversation::more() {
  return context().draining ? writable(client_) : readable(client_);
}

// -- between the waits --

// Takes what the socket has. False if no more will come.
bool AwaitConversation::read_more(bool in_time) {
  const bool was_silent = !codec_.is_inside_request();
  if (!in_time) {
    if (!was_silent) codec_.refuse(408);
    return !was_silent;
  }
  const ssize_t count = receive(client_.fd(), codec_.room());
  const bool may_come = count < 0 && is_not_ready(errno);
  codec_.received(count);
  if (may_come) return !context().draining;
  if (count <= 0) return false;  // the client has ended its stream, or it is gone
  progress_ = was_silent ? Progress::new_time : Progress::some;
  return true;
}

// Answers what has come. True if the next request is for the backend.
bool AwaitConversation::answer_requests() {
  while (codec_.is_inside_request()) {
    const std::optional<Request> request = codec_.next_request();
    if (!request) break;
    progress_ = Progress::new_time;
    const Response response = context().handle(*request);
    if (response.is_from_backend) return true;
    codec_.respond(*request, response);
  }
  return false;
}

// Sends what the socket has room for. False if the client is gone.
bool AwaitConversation::send_responses() {
  const ssize_t count = send_some(client_.fd(), codec_.output());
  if (count < 0 && !is_not_ready(errno)) return false;
  if (count > 0) progress_ = Progress::new_time;
  codec_.sent(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  return true;
}

// -- the conversation --

// Waits until the backend has answered. The response's text is in `received`.
Task<Response> AwaitConversation::ask_backend(Request request, BorrowedBuffer& received) {
  if (context().backend_port == 0) co_return no_backend();
  const Descriptor backend = start_connecting(context().backend_port);
  if (!backend) co_return backend_failure(is_exhaustion(errno) ? 503 : 502);
  if (backend.fd() >= context().descriptor_limit) co_return backend_failure(503);

  const std::string bytes = backend_request(request);
  std::string_view unsent = bytes;
  while (!unsent.empty()) {
    const ssize_t count = send_some(backend.fd(), unsent);
    // Still connecting: Linux says EAGAIN, BSD and macOS ENOTCONN.
    const bool is_early = count < 0 && (is_not_ready(errno) || errno == ENOTCONN);
    if (count < 0 && !is_early) co_return backend_failure(502);  // ECONNREFUSED, EPIPE...
    if (count > 0) progress_ = std::max(progress_, Progress::some);
    if (count > 0) unsent.remove_prefix(static_cast<std::size_t>(count));
    if (unsent.empty()) break;
    const bool in_time = co_await writable(backend);
    if (!in_time) co_return backend_failure(504);
  }
  for (;;) {
    const bool in_time = co_await readable(backend);
    if (!in_time) co_return backend_failure(504);
    if (!received) received = context().buffers.borrow();
    const ssize_t count = receive(backend.fd(), received->room());
    if (count < 0 && is_not_ready(errno)) continue;
    if (count < 0) co_return backend_failure(502);
    progress_ = Progress::some;
    received->add(static_cast<std::size_t>(count));
    if (const auto response = backend_response(received->bytes(), count == 0)) co_return *response;
  }
}

Task<bool> AwaitConversation::respond_from_backend() {
  const std::optional<Request> request = codec_.next_request();
  if (!request) co_return false;  // never: it is the one that answer_requests() has met
  BorrowedBuffer received;
  const Response response = co_await ask_backend(*request, received);
  progress_ = Progress::new_time;
  codec_.respond(*request, response);
  co_return true;
}

// What the client sends after the close makes the kernel answer with a reset, which may destroy
// what we have said. So all of that must have left first.
Task<AwaitConversation::Over> AwaitConversation::linger() {
  while (!is_all_sent(client_.fd())) {
    const bool in_time = co_await writable(client_);
    if (!in_time) co_return Over::yes;
  }
  if (shutdown(client_.fd(), SHUT_WR) < 0) co_return Over::yes;  // ENOTCONN: it is gone
  for (;;) {
    const ssize_t count = receive(client_.fd(), codec_.room());
    const bool may_come = count < 0 && is_not_ready(errno) && !context().draining;
    const bool has_come = codec_.discard(count);
    if (!may_come && !has_come) break;
    if (has_come) progress_ = std::max(progress_, Progress::some);
    const bool in_time = co_await more();
    if (!in_time) break;
  }
  co_return Over::yes;
}

Task<AwaitConversation::Over> AwaitConversation::converse() {
  bool goes_on = true;
  while (goes_on) {
    const bool asks_backend = answer_requests();
    if (codec_.has_output()) {  // who is answered need not wait for the rest
      goes_on = send_responses();
      // One send a turn, even if the next would fit: the others want their turn too.
      const bool has_more = codec_.has_output() || (codec_.is_inside_request() &&
                                                    (codec_.next_request() || codec_.has_output()));
      bool in_time = true;
      if (goes_on && has_more) in_time = co_await writable(client_);
      if (!in_time) co_return Over::yes;  // who takes nothing is not waited for again
    } else if (asks_backend) {
      goes_on = co_await respond_from_backend();
    } else if (codec_.is_closing()) {
      goes_on = false;
    } else {
      goes_on = co_await more();
      goes_on = read_more(goes_on);
    }
  }
  if (codec_.should_linger()) co_await linger();
  co_return Over::yes;
}

// -- as the loop sees it --

Turn AwaitConversation::resume() noexcept {
  return take_turn(/*in_time=*/true);
}

Turn AwaitConversation::expire() noexcept {
  if (!has_begun()) return {};
  return take_turn(/*in_time=*/false);
}

Turn AwaitConversation::take_turn(bool in_time) noexcept try {
  progress_ = Progress::none;
  const bool was_at_backend = has_begun() && wait_.fd != client_.fd();
  if (has_begun()) {
    in_time_ = in_time;
    std::exchange(parked_, {}).resume();
  } else {
    is_ready_ = true;  // the first wait: the client has sent something, or nobody would call
    body_ = converse();
  }
  if (body_.has_ended()) return {.progress = progress_, .closed = was_at_backend};
  Counters::count(context().counters.waits);
  return {
      .wait = wait_, .progress = progress_, .closed = was_at_backend && wait_.fd == client_.fd()};
} catch (const std::bad_alloc&) {
  return {};
}

}  // namespace two_ways
