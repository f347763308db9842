#include "blocking/straight_line.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/backend.hpp"
#include "common/http_codec.hpp"
#include "common/socket.hpp"
#include "common/wait.hpp"

namespace two_ways {

namespace {

// A client that takes nothing is closed after its time and a part of it, one divided by this, at
// most.
constexpr int looks_at_progress = 16;

struct Client {
  int socket;
  Seconds time_limit;
  Context& context;
  HttpCodec codec;
  Time time_started = {};        // when its time last started anew: see Progress::new_time
  bool has_whole_limit = false;  // the socket's receive timeout is that of a silent client
};

// -- the client's time --

Seconds time_left(const Client& client) {
  return client.time_started + client.time_limit - Clock::now();
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
  client.has_whole_limit = set_receive_timeout(client.socket, client.time_limit);
  return client.has_whole_limit;
}

// -- the waits: in each of these the thread parks --

// recv(2). Fails with EAGAIN when the client's time is over.
ssize_t receive_in_time(Client& client, int socket, std::span<char> room) {
  Counters::count(client.context.counters.waits);
  ssize_t count = recv(socket, room.data(), room.size(), 0);
  while (count < 0 && errno == EINTR && limit_to_time_left(client, socket))
    count = recv(socket, room.data(), room.size(), 0);
  Counters::count(client.context.counters.wakeups);
  return count;
}

// Parks until bytes of a request are here. False if none will come.
bool read_more(Client& client) {
  // A thread that is parked on a silent client holds no buffer, only this much of its stack.
  std::array<char, 2048> room;
  const bool was_silent = !client.codec.is_inside_request();
  const bool in_time =
      was_silent ? limit_to_whole_time(client) : limit_to_time_left(client, client.socket);
  const ssize_t count = in_time ? receive_in_time(client, client.socket, room) : -1;
  const bool timed_out = count < 0 && is_not_ready(errno);
  if (count <= 0 && !timed_out) return false;  // the client has ended its stream, or it is gone
  if (was_silent && timed_out) return false;

  if (was_silent) client.time_started = Clock::now();
  const auto size = static_cast<std::size_t>(count);
  if (timed_out)
    client.codec.refuse(408);
  else
    client.codec.take({room.data(), size}, size == room.size());
  return true;
}

// Parks until the kernel has taken all that is to be sent. False if the client is gone.
//
// send(2) parks until all is taken, and comes back with less when its timeout has run out, or a
// signal has come: then it does not say when the last byte has left. So that timeout is a fraction
// of the client's time, and what counts is whether anything has left meanwhile.
bool write_responses(Client& client) {
  client.time_started = Clock::now();
  while (client.codec.has_output()) {
    const std::string_view bytes = client.codec.output();
    const ssize_t count = send(client.socket, bytes.data(), bytes.size(), 0);
    const bool is_there = count >= 0 || errno == EINTR || is_not_ready(errno);
    if (!is_there || (count < 0 && time_left(client) <= Seconds(0))) return false;
    if (count < 0) continue;
    client.codec.sent(static_cast<std::size_t>(count));
    client.time_started = Clock::now();
  }
  return true;
}

// Parks until the backend has answered. The response's text is in `received`.
Response ask_backend(Client& client, const Request& request, Buffer& received) {
  const auto failure = [] { return backend_failure(is_not_ready(errno) ? 504 : 502); };
  if (client.context.backend_port == 0) return no_backend();
  const Descriptor backend = connect_blocking(client.context.backend_port, time_left(client));
  if (!backend && is_exhaustion(errno)) return backend_failure(503);
  if (!backend) return backend_failure(errno == EINPROGRESS ? 504 : 502);

  const std::string bytes = backend_request(request);
  for (std::string_view unsent = bytes; !unsent.empty();) {
    const ssize_t count = send_some(backend.fd(), unsent);
    if (count < 0) return failure();
    unsent.remove_prefix(static_cast<std::size_t>(count));
  }
  for (;;) {
    if (!limit_to_time_left(client, backend.fd())) return failure();
    const ssize_t count = receive_in_time(client, backend.fd(), received.room());
    if (count < 0) return failure();
    received.add(static_cast<std::size_t>(count));
    if (const auto response = backend_response(received.bytes(), count == 0)) return *response;
  }
}

// -- the conversation --

// Waits until a whole request is here. None if there will be none. What has been answered leaves
// before the thread parks for more.
std::optional<Request> read_request(Client& client) {
  for (;;) {
    if (const std::optional<Request> request = client.codec.next_request()) {
      client.time_started = Clock::now();
      return request;
    }
    if (client.codec.has_output()) {
      if (!write_responses(client)) return std::nullopt;
    } else if (client.codec.is_closing() || !read_more(client)) {
      return std::nullopt;
    }
  }
}

// False if the client is gone.
bool respond_from_backend(Client& client, const Request& request) {
  if (!write_responses(client)) return false;  // who is answered need not wait for the rest
  const BorrowedBuffer received = client.context.buffers.borrow();
  client.codec.respond(request, ask_backend(client, request, *received));
  return true;
}

// What the client sends after the close makes the kernel answer with a reset, which may destroy
// what we have said. So all of that must have left first.
void linger(Client& client) {
  if (!is_all_sent(client.socket, time_left(client))) return;
  if (shutdown(client.socket, SHUT_WR) < 0) return;  // ENOTCONN: it is gone
  bool goes_on = true;
  while (goes_on && limit_to_time_left(client, client.socket))
    goes_on = client.codec.discard(receive_in_time(client, client.socket, client.codec.room()));
}

void converse(Client& client) {
  while (const std::optional<Request> request = read_request(client)) {
    const Response response = client.context.handle(*request);
    if (!response.is_from_backend)
      client.codec.respond(*request, response);
    else if (!respond_from_backend(client, *request))
      return;
  }
  if (client.codec.should_linger()) linger(client);
}

}  // namespace

void serve_client(int socket, Seconds time_limit, Context& context) noexcept try {
  Client client{
      .socket = socket, .time_limit = time_limit, .context = context, .codec = HttpCodec(context)};
  if (set_send_timeout(socket, time_limit / looks_at_progress)) converse(client);
} catch (const std::bad_alloc&) {
}

}  // namespace two_ways
