#include "common/conversation.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "common/backend.hpp"

namespace two_ways {

namespace {

constexpr std::nullopt_t over = std::nullopt;

}  // namespace

Turn Conversation::resume() noexcept {
  return take_turn(/*in_time=*/true);
}

Turn Conversation::expire() noexcept {
  return take_turn(/*in_time=*/false);
}

Turn Conversation::take_turn(bool in_time) noexcept {
  progress_ = Progress::none;
  const bool was_at_backend = is_at_backend();
  const std::optional<Wait> wait = run_state(in_time);
  return {.wait = wait, .progress = progress_, .closed = was_at_backend && !is_at_backend()};
}

// The `try` covers the whole function.
std::optional<Wait> Conversation::run_state(bool in_time) try {
  if (!in_time) return give_up();
  switch (state_) {
    case State::read_request:
      return read_request();
    case State::answer_requests:
      return answer_requests();
    case State::write_responses:
      return write_responses();
    case State::ask_backend:
      return ask_backend();
    case State::read_from_backend:
      return read_from_backend();
    case State::end:
      return end();
    case State::linger:
      return linger();
  }
  return over;  // not reached
} catch (const std::bad_alloc&) {
  return over;
}

std::optional<Wait> Conversation::give_up() {
  if (is_at_backend()) return respond_from_backend(backend_failure(504));
  if (state_ != State::read_request || !codec_.is_inside_request()) return over;
  codec_.refuse(408);
  return write_responses();
}

// -- the pieces --

std::optional<Wait> Conversation::read_request() {
  const bool was_silent = !codec_.is_inside_request();
  const ssize_t count = receive(client_.fd(), codec_.room());
  const bool may_come = count < 0 && is_not_ready(errno);
  codec_.received(count);
  if (may_come) return context().draining ? end() : wait_for_more(State::read_request);
  if (count <= 0) return over;  // the client has ended its stream, or it is gone
  progress_ = was_silent ? Progress::new_time : Progress::some;
  return answer_requests();
}

std::optional<Wait> Conversation::answer_requests() {
  while (codec_.is_inside_request() && !backend_) {
    const std::optional<Request> request = codec_.next_request();
    if (!request) break;
    progress_ = Progress::new_time;
    const Response response = context().handle(*request);
    if (response.is_from_backend)
      backend_ = std::make_unique<BackendRequest>(BackendRequest{.request = *request});
    else
      codec_.respond(*request, response);
  }
  if (codec_.has_output()) return write_responses();  // who is answered need not wait for the rest
  if (backend_) return connect_to_backend();
  return wait_for_more(State::read_request);
}

std::optional<Wait> Conversation::write_responses() {
  const ssize_t count = send_some(client_.fd(), codec_.output());
  if (count < 0 && !is_not_ready(errno)) return over;
  if (count < 0) {
    codec_.sent(0);
    return wait(client_, Interest::writable, State::write_responses);
  }
  progress_ = Progress::new_time;
  codec_.sent(static_cast<std::size_t>(count));

  // One send a turn, even if the next would fit: the others want their turn too.
  if (codec_.has_output()) return wait(client_, Interest::writable, State::write_responses);
  if (codec_.is_closing()) return end();
  const bool has_more =
      codec_.is_inside_request() && (backend_ || codec_.next_request() || codec_.has_output());
  if (has_more) return wait(client_, Interest::writable, State::answer_requests);
  return wait_for_more(State::read_request);
}

std::optional<Wait> Conversation::connect_to_backend() {
  if (context().backend_port == 0) return respond_from_backend(no_backend());
  backend_->socket = start_connecting(context().backend_port);
  if (!backend_->socket)
    return respond_from_backend(backend_failure(is_exhaustion(errno) ? 503 : 502));
  if (backend_->socket.fd() >= context().descriptor_limit)
    return respond_from_backend(backend_failure(503));
  backend_->bytes = backend_request(backend_->request);
  backend_->unsent = backend_->bytes;
  return ask_backend();
}

std::optional<Wait> Conversation::ask_backend() {
  const ssize_t count = send_some(backend_->socket.fd(), backend_->unsent);
  // Still connecting: Linux says EAGAIN, BSD and macOS ENOTCONN.
  if (count < 0 && (is_not_ready(errno) || errno == ENOTCONN))
    return wait(backend_->socket, Interest::writable, State::ask_backend);
  if (count < 0) return respond_from_backend(backend_failure(502));  // ECONNREFUSED, EPIPE...
  progress_ = std::max(progress_, Progress::some);
  backend_->unsent.remove_prefix(static_cast<std::size_t>(count));
  if (!backend_->unsent.empty())
    return wait(backend_->socket, Interest::writable, State::ask_backend);
  return wait(backend_->socket, Interest::readable, State::read_from_backend);
}

std::optional<Wait> Conversation::read_from_backend() {
  if (!backend_->received) backend_->received = context().buffers.borrow();
  Buffer& received = *backend_->received;
  const ssize_t count = receive(backend_->socket.fd(), received.room());
  if (count < 0 && is_not_ready(errno))
    return wait(backend_->socket, Interest::readable, State::read_from_backend);
  if (count < 0) return respond_from_backend(backend_failure(502));
  progress_ = Progress::some;
  received.add(static_cast<std::size_t>(count));
  if (const auto response = backend_response(received.bytes(), count == 0))
    return respond_from_backend(*response);
  return wait(backend_->socket, Interest::readable, State::read_from_backend);
}

// What the client sends after the close makes the kernel answer with a reset, which may destroy
// what we have said. So all of that must have left first.
std::optional<Wait> Conversation::end() {
  if (!codec_.should_linger()) return over;
  if (!is_all_sent(client_.fd())) return wait(client_, Interest::writable, State::end);
  if (shutdown(client_.fd(), SHUT_WR) < 0) return over;  // ENOTCONN: it is gone
  return linger();
}

std::optional<Wait> Conversation::linger() {
  const ssize_t count = receive(client_.fd(), codec_.room());
  const bool may_come = count < 0 && is_not_ready(errno) && !context().draining;
  const bool has_come = codec_.discard(count);
  if (!may_come && !has_come) return over;
  if (has_come) progress_ = std::max(progress_, Progress::some);
  return wait_for_more(State::linger);
}

// -- between the pieces --

std::optional<Wait> Conversation::respond_from_backend(const Response& response) {
  progress_ = Progress::new_time;
  codec_.respond(backend_->request, response);
  backend_.reset();
  return answer_requests();
}

// While draining, only a look at what has come already: the socket has room to write, so the wait
// ends at once, and the recv that follows decides. To close without it would reset the connection.
Wait Conversation::wait_for_more(State next) {
  return wait(client_, context().draining ? Interest::writable : Interest::readable, next);
}

Wait Conversation::wait(const Descriptor& descriptor, Interest interest, State next) {
  Counters::count(context().counters.waits);
  state_ = next;
  return {descriptor.fd(), interest};
}

}  // namespace two_ways
