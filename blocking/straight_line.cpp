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

struct Client {
  int socket;
  const Options& options;
  Bench& bench;
  Exchange exchange;
  Time time_started = {};  // see Conversation::has_progressed
};

// -- the waits: in each of these the thread parks --

bool is_late(const Client& client) {
  return Clock::now() - client.time_started > client.options.idle_limit;
}

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

  // The socket's own limit starts anew with every byte. The client's time does not: whoever sends
  // a byte now and then would hold this thread for ever.
  if (was_silent) client.time_started = Clock::now();
  if (timed_out || is_late(client))
    client.exchange.refuse(408);
  else
    client.exchange.received(static_cast<std::size_t>(count));
  return true;
}

bool write_all(Client& client) {
  while (client.exchange.has_outgoing()) {
    const ssize_t count = send_some(client.socket, client.exchange.outgoing());
    if (count < 0) return false;
    client.exchange.sent(static_cast<std::size_t>(count));
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
  const Descriptor backend =
      connect_blocking(client.options.backend_port, client.options.idle_limit);
  if (!backend && is_exhaustion(errno)) return row_failure(503);
  if (!backend) return row_failure(errno == EINPROGRESS ? 504 : 502);

  while (!question.empty()) {
    const ssize_t count = send_some(backend.fd(), question);
    if (count < 0) return failure();
    question.remove_prefix(static_cast<std::size_t>(count));
  }
  while (!is_late(client)) {
    const std::span<char> room = client.exchange.room();
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
  client.exchange.next_request();  // the row has been on the bench: here it is again
  client.exchange.answer(answer);
  return true;
}

// What the client still sends may end in a reset. So all that we have said must have left first.
void end(Client& client) {
  if (!is_all_sent(client.socket, client.options.idle_limit)) return;
  if (shutdown(client.socket, SHUT_WR) < 0) return;  // ENOTCONN: it is gone
  client.time_started = Clock::now();
  for (int i = 0; i < most_turns_lingered && !is_late(client); ++i)
    if (receive(client.socket, client.exchange.room()) <= 0 || stop_requested()) return;
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
  if (set_patience(socket, options.idle_limit)) converse(client);
} catch (const std::bad_alloc&) {
}
