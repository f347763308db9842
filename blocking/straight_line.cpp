#include "blocking/straight_line.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <new>
#include <optional>
#include <string>

#include "common/counters.hpp"
#include "common/exchange.hpp"
#include "common/signals.hpp"
#include "common/site.hpp"
#include "common/socket.hpp"
#include "common/wait.hpp"

namespace {

struct Client {
  int socket;
  const Options& options;
  Exchange exchange;
  Time request_started = {};
};

// -- the waits: in each of these the thread parks --

// Parks until bytes of a request are here. False if none will come.
bool read_more(Client& client) {
  client.exchange.stow();
  client.exchange.take_up();
  const bool was_silent = !client.exchange.is_inside_request();
  Counters::count(counters.waits);
  const ssize_t count = receive(client.socket, client.exchange.room());
  Counters::count(counters.wakeups);
  const bool timed_out = count < 0 && is_not_ready(errno);
  if (count <= 0 && !timed_out) return false;  // the client has ended its stream, or it is gone
  if (was_silent && timed_out) return false;

  // The socket's own limit starts anew with every byte. A request may not: whoever sends a byte
  // now and then would hold this thread for ever.
  const Time now = Clock::now();
  if (was_silent) client.request_started = now;
  if (timed_out || now - client.request_started > client.options.idle_limit)
    client.exchange.refuse(408);
  else
    client.exchange.received(static_cast<std::size_t>(count));
  return true;
}

// Parks until the kernel has taken all that is to be sent. False if the client is gone.
bool write_answers(Client& client) {
  while (client.exchange.has_outgoing()) {
    const ssize_t count = send_some(client.socket, client.exchange.outgoing());
    if (count < 0) return false;
    client.exchange.sent(static_cast<std::size_t>(count));
  }
  return true;
}

// Parks until the backend has answered. `received` is the memory that the answer's text is in.
Answer ask_backend(Client& client, std::string_view question, std::string& received) {
  const auto failure = [] { return row_failure(is_not_ready(errno) ? 504 : 502); };
  const Time deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(client.options.idle_limit);
  if (client.options.backend_port == 0) return no_backend();
  const Descriptor backend =
      connect_blocking(client.options.backend_port, client.options.idle_limit);
  if (!backend && is_exhaustion(errno)) return row_failure(503);
  if (!backend) return row_failure(errno == EINPROGRESS ? 504 : 502);

  while (!question.empty()) {
    const ssize_t count = send_some(backend.fd(), question);
    if (count < 0) return failure();
    question.remove_prefix(static_cast<std::size_t>(count));
  }
  while (Clock::now() <= deadline) {
    std::array<char, 2048> room;
    Counters::count(counters.waits);
    const ssize_t count = receive(backend.fd(), room);
    Counters::count(counters.wakeups);
    if (count < 0) return failure();
    received.append(room.data(), static_cast<std::size_t>(count));
    if (const auto answer = relay_row(received, count == 0)) return *answer;
  }
  return row_failure(504);
}

// -- the conversation --

// The next request, or nothing if there will be none. What has been answered leaves before the
// thread parks for more.
std::optional<Request> read_request(Client& client) {
  for (;;) {
    if (const auto request = client.exchange.next_request()) return request;
    if (client.exchange.has_outgoing()) {
      if (!write_answers(client)) return std::nullopt;
    } else if (client.exchange.is_closing() || !read_more(client)) {
      return std::nullopt;
    }
  }
}

bool answer_with_row(Client& client, const Request& request) {
  const std::string question = backend_request(request);
  if (!write_answers(client)) return false;  // who is answered already need not wait for the row
  std::string received;
  const Answer answer = ask_backend(client, question, received);
  client.exchange.answer(client.exchange.next_request().value(), answer);
  return true;
}

// Reads what the client still sends, so that the last answer is not overtaken by a reset.
void linger(Client& client) {
  if (shutdown(client.socket, SHUT_WR) < 0) return;  // ENOTCONN: it is gone
  constexpr int most_turns = 64;
  for (int i = 0; i < most_turns && !stop_requested(); ++i)
    if (receive(client.socket, client.exchange.room()) <= 0) return;
}

void converse(Client& client) {
  while (const std::optional<Request> request = read_request(client)) {
    if (!asks_backend(*request))
      client.exchange.answer(*request, answer_to(*request));
    else if (!answer_with_row(client, *request))
      return;
  }
  if (client.exchange.should_linger()) linger(client);
}

}  // namespace

void serve_client(int socket, const Options& options) noexcept try {
  std::array<char, min_bench> space;
  Bench bench{.space = space};
  Client client{.socket = socket, .options = options, .exchange = Exchange(bench)};
  if (set_patience(socket, options.idle_limit)) converse(client);
} catch (const std::bad_alloc&) {
}
