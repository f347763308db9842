#include "blocking/straight_line.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "common/counters.hpp"
#include "common/exchange.hpp"
#include "common/signals.hpp"
#include "common/site.hpp"
#include "common/socket.hpp"
#include "common/wait.hpp"

namespace {

// A client that takes nothing is closed after its time and a part of it, one divided by this, at
// most.
constexpr int looks_at_progress = 16;

struct Client {
  int socket;
  const Options& options;
  Bench& bench;
  Exchange exchange;
  Time time_started = {};        // see Conversation::has_progressed
  bool has_whole_limit = false;  // the socket's receive timeout is that of a silent client
};

// -- the client's time --

Seconds time_left(const Client& client) {
  return client.time_started + client.options.idle_limit - Clock::now();
}

// The kernel counts a receive timeout from the beginning of each recv. So before a recv that goes
// on waiting it is set to what is left: a byte now and then, or a signal, would otherwise hold this
// thread for ever. False with EAGAIN if nothing is left.
bool limit_to_time_left(Client& client, int socket) {
  const Seconds left = time_left(client);
  client.has_whole_limit = false;
  errno = EAGAIN;
  return left > Seconds(0) && set_receive_timeout(socket, left);
}

// The usual wait, for a request that has not begun, needs no call: the limit is the same each time.
bool limit_to_whole_time(Client& client) {
  client.time_started = Clock::now();
  if (client.has_whole_limit) return true;
  client.has_whole_limit = set_receive_timeout(client.socket, client.options.idle_limit);
  return client.has_whole_limit;
}

// -- the waits: in each of these the thread parks --

// recv(2). Fails with EAGAIN when the client's time is over.
ssize_t receive_in_time(Client& client, int socket) {
  const std::span<char> room = client.exchange.room();
  Counters::count(counters.waits);
  ssize_t count = recv(socket, room.data(), room.size(), 0);
  while (count < 0 && errno == EINTR && limit_to_time_left(client, socket))
    count = recv(socket, room.data(), room.size(), 0);
  Counters::count(counters.wakeups);
  return count;
}

// Parks until bytes of a request are here. False if none will come.
bool read_more(Client& client) {
  client.exchange.stow();
  client.exchange.take_up();
  const bool was_silent = !client.exchange.is_inside_request();
  const bool in_time =
      was_silent ? limit_to_whole_time(client) : limit_to_time_left(client, client.socket);
  const ssize_t count = in_time ? receive_in_time(client, client.socket) : -1;
  const bool timed_out = count < 0 && is_not_ready(errno);
  if (count <= 0 && !timed_out) return false;  // the client has ended its stream, or it is gone
  if (was_silent && timed_out) return false;

  if (was_silent) client.time_started = Clock::now();
  if (timed_out)
    client.exchange.refuse(408);
  else
    client.exchange.received(static_cast<std::size_t>(count));
  return true;
}

// send(2) parks until all is taken, and comes back with less when its timeout has run out, or a
// signal has come: then it does not say when the last byte has left. So that timeout is a fraction
// of the client's time, and what counts is whether anything has left meanwhile.
bool write_all(Client& client) {
  client.time_started = Clock::now();
  while (client.exchange.has_outgoing()) {
    const std::string_view bytes = client.exchange.outgoing();
    const ssize_t count = send(client.socket, bytes.data(), bytes.size(), 0);
    const bool is_there = count >= 0 || errno == EINTR || is_not_ready(errno);
    if (!is_there || (count < 0 && time_left(client) <= Seconds(0))) return false;
    if (count < 0) continue;
    client.exchange.sent(static_cast<std::size_t>(count));
    client.time_started = Clock::now();
  }
  return true;
}

// With more room, for fewer and larger sends. Not inlined: whoever is never asked for a long answer
// never touches this much of its stack.
[[gnu::noinline]] bool write_long_answer(Client& client) {
  std::array<char, 32 * 1024> space;
  static_assert(2 * sizeof space <= least_stack_kib * 1024);
  const std::span<char> usual_space = std::exchange(client.bench.space, space);
  const bool is_there = write_all(client);
  client.bench.space = usual_space;
  return is_there;
}

// Parks until the kernel has taken all that is to be sent. False if the client is gone.
bool write_answers(Client& client) {
  return client.exchange.has_long_answer() ? write_long_answer(client) : write_all(client);
}

// Parks until the backend has answered. `received` is the memory that the answer's text is in.
Answer ask_backend(Client& client, std::string_view question, std::string& received) {
  const auto failure = [] { return row_failure(is_not_ready(errno) ? 504 : 502); };
  if (client.options.backend_port == 0) return no_backend();
  const Descriptor backend = connect_blocking(client.options.backend_port, time_left(client));
  if (!backend && is_exhaustion(errno)) return row_failure(503);
  if (!backend) return row_failure(errno == EINPROGRESS ? 504 : 502);

  while (!question.empty()) {
    const ssize_t count = send_some(backend.fd(), question);
    if (count < 0) return failure();
    question.remove_prefix(static_cast<std::size_t>(count));
  }
  for (;;) {
    if (!limit_to_time_left(client, backend.fd())) return failure();
    const ssize_t count = receive_in_time(client, backend.fd());
    if (count < 0) return failure();
    received.append(client.exchange.room().data(), static_cast<std::size_t>(count));
    if (const auto answer = relay_row(received, count == 0)) return *answer;
  }
}

// -- the conversation --

// Waits until a whole request is here. False if there will be none. What has been answered leaves
// before the thread parks for more.
bool read_request(Client& client) {
  for (;;) {
    if (client.exchange.next_request() != nullptr) {
      client.time_started = Clock::now();
      return true;
    }
    if (client.exchange.has_outgoing()) {
      if (!write_answers(client)) return false;
    } else if (client.exchange.is_closing() || !read_more(client)) {
      return false;
    }
  }
}

bool answer_with_row(Client& client) {
  const std::string question = backend_request(client.exchange.request());
  if (!write_answers(client)) return false;  // who is answered already need not wait for the row
  client.exchange.stow();                    // the row comes onto the bench
  client.exchange.take_up();
  std::string received;
  const Answer answer = ask_backend(client, question, received);
  if (client.exchange.next_request() == nullptr) return false;  // the row has been on the bench
  client.exchange.answer(answer);
  return true;
}

// What the client still sends may end in a reset. So all that we have said must have left first.
void end(Client& client) {
  if (!is_all_sent(client.socket, time_left(client))) return;
  if (shutdown(client.socket, SHUT_WR) < 0) return;  // ENOTCONN: it is gone
  for (bool goes_on = true; goes_on && limit_to_time_left(client, client.socket);) {
    const ssize_t count = receive_in_time(client, client.socket);
    goes_on = count > 0 && client.exchange.discard(static_cast<std::size_t>(count));
  }
}

void converse(Client& client) {
  for (;;) {
    const bool has_request = read_request(client);
    if (!has_request) break;
    if (!asks_backend(client.exchange.request())) {
      client.exchange.answer(answer_to(client.exchange.request()));
    } else {
      const bool is_there = answer_with_row(client);
      if (!is_there) return;
    }
  }
  if (client.exchange.should_linger()) end(client);
}

}  // namespace

void serve_client(int socket, const Options& options) noexcept try {
  // Small, and so the frames above it and the calls below it share a page or two of stack. That is
  // all the memory a parked thread keeps.
  std::array<char, 2048> space;
  Bench bench{.space = space};
  Client client{.socket = socket, .options = options, .bench = bench, .exchange = Exchange(bench)};
  if (set_send_timeout(socket, options.idle_limit / looks_at_progress)) converse(client);
} catch (const std::bad_alloc&) {
}
