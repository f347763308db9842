#include "common/conversation.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <new>

#include "common/counters.hpp"
#include "common/signals.hpp"

namespace {

constexpr std::nullopt_t over = std::nullopt;

}  // namespace

template <class Run>
std::optional<Wait> Conversation::take_turn(Run run) {
  progressed_ = false;
  try {
    exchange_.take_up();
    const std::optional<Wait> wait = run();
    exchange_.stow();
    return wait;
  } catch (const std::bad_alloc&) {
    return over;
  }
}

std::optional<Wait> Conversation::resume() {
  return take_turn([this] { return run_next_piece(); });
}

std::optional<Wait> Conversation::expire() {
  return take_turn([this]() -> std::optional<Wait> {
    if (row_) return finish_row(row_failure(504));
    if (next_ != Piece::read_request || !exchange_.is_inside_request()) return over;
    exchange_.refuse(408);
    return write_answers();
  });
}

std::optional<Wait> Conversation::run_next_piece() {
  switch (next_) {
    case Piece::read_request:
      return read_request();
    case Piece::answer_requests:
      return answer_requests();
    case Piece::write_answers:
      return write_answers();
    case Piece::ask_backend:
      return ask_backend();
    case Piece::read_row:
      return read_row();
    case Piece::end:
      return end();
    case Piece::linger:
      return linger();
  }
  return over;  // not reached
}

// -- the pieces --

std::optional<Wait> Conversation::read_request() {
  const bool was_silent = !exchange_.is_inside_request();
  const ssize_t count = receive(client_.fd(), exchange_.room());
  if (count < 0 && is_not_ready(errno)) {
    return stop_requested() ? end() : wait_for_request();
  }
  if (count <= 0) return over;  // the client has ended its stream, or it is gone
  progressed_ = was_silent;
  exchange_.received(static_cast<std::size_t>(count));
  return answer_requests();
}

std::optional<Wait> Conversation::answer_requests() {
  while (const Request* request = exchange_.next_request()) {
    progressed_ = true;
    if (asks_backend(*request)) {
      if (exchange_.has_outgoing()) break;  // who is answered already need not wait for the row
      return connect_to_backend(*request);
    }
    exchange_.answer(answer_to(*request));
  }
  if (exchange_.has_outgoing()) return write_answers();
  return wait_for_request();
}

std::optional<Wait> Conversation::write_answers() {
  const ssize_t count = send_some(client_.fd(), exchange_.outgoing());
  if (count < 0 && is_not_ready(errno))
    return wait(client_.fd(), Until::writable, Piece::write_answers);
  if (count < 0) return over;
  progressed_ = true;
  exchange_.sent(static_cast<std::size_t>(count));

  // One send a turn, even if the next would fit: the others want their turn too.
  if (exchange_.has_outgoing()) return wait(client_.fd(), Until::writable, Piece::write_answers);
  if (exchange_.is_closing()) return end();
  if (exchange_.next_request() != nullptr || exchange_.has_outgoing())
    return wait(client_.fd(), Until::writable, Piece::answer_requests);
  return wait_for_request();
}

std::optional<Wait> Conversation::connect_to_backend(const Request& request) {
  if (surroundings_.backend_port == 0) return finish_row(no_backend());
  Descriptor backend = start_connecting(surroundings_.backend_port);
  if (!backend) return finish_row(row_failure(is_exhaustion(errno) ? 503 : 502));
  if (backend.fd() >= surroundings_.descriptor_limit) return finish_row(row_failure(503));
  row_ = std::make_unique<Row>();
  row_->backend = std::move(backend);
  row_->question = backend_request(request);
  row_->unasked = row_->question;
  return ask_backend();
}

std::optional<Wait> Conversation::ask_backend() {
  const ssize_t count = send_some(row_->backend.fd(), row_->unasked);
  // Still connecting: Linux says EAGAIN, BSD and macOS ENOTCONN.
  if (count < 0 && (is_not_ready(errno) || errno == ENOTCONN))
    return wait(row_->backend.fd(), Until::writable, Piece::ask_backend);
  if (count < 0) return finish_row(row_failure(502));  // ECONNREFUSED, EPIPE...
  row_->unasked.remove_prefix(static_cast<std::size_t>(count));
  if (!row_->unasked.empty()) return wait(row_->backend.fd(), Until::writable, Piece::ask_backend);
  return wait(row_->backend.fd(), Until::readable, Piece::read_row);
}

std::optional<Wait> Conversation::read_row() {
  const std::span<char> room = exchange_.room();
  const ssize_t count = receive(row_->backend.fd(), room);
  if (count < 0 && is_not_ready(errno))
    return wait(row_->backend.fd(), Until::readable, Piece::read_row);
  if (count < 0) return finish_row(row_failure(502));
  row_->received.append(room.data(), static_cast<std::size_t>(count));
  if (const auto answer = relay_row(row_->received, count == 0)) return finish_row(*answer);
  return wait(row_->backend.fd(), Until::readable, Piece::read_row);
}

// What the client still sends may end in a reset. So all that we have said must have left first.
std::optional<Wait> Conversation::end() {
  if (!exchange_.should_linger()) return over;
  if (!is_all_sent(client_.fd())) return wait(client_.fd(), Until::writable, Piece::end);
  if (shutdown(client_.fd(), SHUT_WR) < 0) return over;  // ENOTCONN: it is gone
  return linger();
}

std::optional<Wait> Conversation::linger() {
  const ssize_t count = receive(client_.fd(), exchange_.room());
  const bool may_come = count < 0 && is_not_ready(errno) && !stop_requested();
  const bool has_come = count > 0 && exchange_.discard(static_cast<std::size_t>(count));
  if (!may_come && !has_come) return over;
  return wait_for_more(Piece::linger);
}

// -- between the pieces --

std::optional<Wait> Conversation::finish_row(const Answer& answer) {
  // While we waited, the request stayed the next one: here it is again. Without it, nobody's would
  // be answered.
  if (exchange_.next_request() == nullptr) return over;
  exchange_.answer(answer);
  row_.reset();
  return answer_requests();
}

std::optional<Wait> Conversation::wait_for_request() {
  return wait_for_more(Piece::read_request);
}

// After a stop, only a look at what has come: to close over it would reset the connection.
Wait Conversation::wait_for_more(Piece next) {
  return wait(client_.fd(), stop_requested() ? Until::writable : Until::readable, next);
}

Wait Conversation::wait(int fd, Until until, Piece next) {
  Counters::count(counters.waits);
  next_ = next;
  return {fd, until};
}
