#include "tests/kit/client.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "common/error.hpp"
#include "common/wait.hpp"

namespace {

// True when one of the events, or an error, is there within the time.
bool wait_for(int fd, short events, Timeout timeout) {
  const Time deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout);
  for (;;) {
    pollfd entry{fd, events, 0};
    const int ready = poll(&entry, 1, milliseconds_until(deadline, Clock::now()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) throw CallFailed("poll", errno, fd);
    if (Clock::now() >= deadline) return false;
  }
}

// send(2) that never raises SIGPIPE in the tester.
ssize_t send_now(int socket, std::string_view bytes) {
#ifdef MSG_NOSIGNAL
  constexpr int flags = MSG_NOSIGNAL;
#else
  constexpr int flags = 0;  // the tester's main ignores the signal
#endif
  ssize_t count;
  do count = ::send(socket, bytes.data(), bytes.size(), flags);
  while (count < 0 && errno == EINTR);
  return count;
}

}  // namespace

std::string get_request(std::string_view path, std::string_view fields) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" + std::string(fields) + "\r\n";
}

Client::Client(Context& context, Descriptor socket, int number)
    : context_(&context),
      socket_(std::move(socket)),
      number_(number),
      last_progress_(Clock::now()) {}

Client::Client(Context& context, ClientOptions options)
    : context_(&context), number_(context.next_client()), last_progress_(Clock::now()) {
  socket_ = connect_socket(context, options);
  if (!socket_) context.fail(name() + " could not connect: " + describe_failure("connect", errno));
  note("connected");
}

std::optional<Client> Client::try_to_connect(Context& context, ClientOptions options) {
  Descriptor socket = connect_socket(context, options);
  if (!socket) return std::nullopt;
  return Client(context, std::move(socket), context.next_client());
}

// Empty with errno when the connection is refused.
Descriptor Client::connect_socket(Context& context, const ClientOptions& options) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  if (!socket) throw CallFailed("socket", errno);
  if (fcntl(socket.fd(), F_SETFD, FD_CLOEXEC) < 0)
    throw CallFailed("fcntl(F_SETFD)", errno, socket.fd());
  set_nonblocking(socket.fd());
  const int on = 1;
  (void)setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (options.small_buffer) {  // before connect, because it decides the window that is announced
    const int least = 1;
    (void)setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port != 0 ? options.port : context.server().port());
  inet_pton(AF_INET, options.address, &address.sin_addr);
  if (connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  if (errno != EINPROGRESS) return Descriptor();
  if (!wait_for(socket.fd(), POLLOUT, context.timeout())) {
    errno = ETIMEDOUT;
    return Descriptor();
  }
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &length) < 0 || error != 0) {
    errno = error;
    return Descriptor();
  }
  return socket;
}

void Client::send(std::string_view bytes) {
  if (!try_to_send(bytes))
    context_->fail(name() + " could not send: the server has closed" +
                   " or reset the connection. It had answered: '" + readable(unread()) + "'");
}

bool Client::try_to_send(std::string_view bytes) {
  note("sends " + std::to_string(bytes.size()) + " bytes '" + readable(bytes, 40) + "'");
  last_progress_ = Clock::now();
  while (!bytes.empty()) {
    const ssize_t count = send_now(socket_.fd(), bytes);
    if (count > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
      last_progress_ = Clock::now();
      continue;
    }
    if (!is_not_ready(errno)) return false;
    const bool ready = wait_for(socket_.fd(), POLLIN | POLLOUT, context_->timeout());
    if (!ready)
      context_->fail_for_certain(name() + " cannot send its last " + std::to_string(bytes.size()) +
                                 " bytes: the server does not read. " + describe());
    (void)take_in(Timeout(0));
    if (was_reset_) return false;
  }
  return true;
}

std::size_t Client::offer(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    const ssize_t count = send_now(socket_.fd(), bytes.substr(taken));
    if (count <= 0) break;
    taken += static_cast<std::size_t>(count);
  }
  note("offers " + std::to_string(bytes.size()) + " bytes, the kernel takes " +
       std::to_string(taken));
  return taken;
}

void Client::get(std::string_view path) {
  send(get_request(path));
}

ReceivedResponse Client::ask(std::string_view path, int status) {
  get(path);
  return expect_response(status);
}

void Client::ask(std::string_view path, int status, std::string_view body) {
  get(path);
  expect_response(status, body);
}

void Client::expect_echo(std::string_view word) {
  ask("/echo/" + std::string(word), 200, context_->echo(word));
}

void Client::wait_until_read() {
  if (!can_observe_sockets()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return;
  }
  Deadline deadline(*context_);
  for (;;) {
    const auto look = server_side_of(socket_.fd());
    if (!look || look->closed) return;
    if (look->accepted && look->unread == 0) break;
    if (deadline.has_passed())
      context_->fail("the server does not read what " + name() + " has sent. " + describe());
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  note("waited until the server had read it");
}

void Client::wait_until_server_is_stuck() {
  if (!can_observe_sockets()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return;
  }
  std::size_t unsent = 0;
  int steady = 0;  // looks that have found the same amount
  context_->eventually(
      [&] {
        const auto look = server_side_of(socket_.fd());
        if (!look || look->closed)
          context_->fail("the server has closed the connection to " + name());
        steady = look->unsent > 0 && look->unsent == unsent ? steady + 1 : 0;
        unsent = look->unsent;
        return steady == 30;
      },
      [&] { return "the server does not fill the buffers towards " + name() + ". " + describe(); });
  note("waited until the server could send no more (" + std::to_string(unsent) + " bytes unsent)");
}

Client::Got Client::take_in(Timeout timeout, std::size_t most) {
  if (ended_) return Got::end;
  int more = timeout < context_->timeout() ? 0 : 3;  // a short look is a short look
  while (!wait_for(socket_.fd(), POLLIN, timeout))
    if (more-- == 0 || !context_->waits_for_a_core()) return Got::silence;
  std::array<char, most_at_once> room;
  const std::span<char> part(room.data(), std::min(most, room.size()));
  const ssize_t count = receive(socket_.fd(), part);
  if (count < 0 && is_not_ready(errno)) return Got::silence;
  if (count <= 0) {
    ended_ = true;
    was_reset_ = count < 0;
    note(was_reset_ ? "is reset" : "sees the end of the stream");
    return Got::end;
  }
  last_progress_ = Clock::now();
  input_.append(room.data(), static_cast<std::size_t>(count));
  return Got::bytes;
}

void Client::use(std::size_t count) {
  used_ += count;
  if (used_ < input_.size() && used_ < (std::size_t{1} << 20)) return;
  input_.erase(0, used_);
  used_ = 0;
}

std::string Client::what_it_has() const {
  return unread().empty() ? "" : " It has so far: '" + readable(unread(), 200) + "'";
}

bool Client::more_comes(const std::string& wanted, std::size_t most) {
  const Got got = take_in(context_->timeout(), most);
  if (got == Got::silence)
    context_->fail_for_certain(name() + " waited for " + wanted + " and nothing came for " +
                               std::to_string(static_cast<int>(context_->timeout().count())) +
                               " s. " + describe() + what_it_has());
  return got == Got::bytes;
}

void Client::need_more(const std::string& wanted) {
  if (more_comes(wanted)) return;
  context_->fail(name() + " waited for " + wanted + " and " +
                 (was_reset_ ? "was reset by the server." : "the server ended the connection.") +
                 what_it_has());
}

ReceivedResponse Client::read_head() {
  std::size_t end;
  while ((end = unread().find("\r\n\r\n")) == std::string_view::npos) {
    if (unread().size() > 65'536)
      context_->fail_for_certain("the head of the answer does not end: '" + readable(unread()) +
                                 "'");
    need_more("an answer");
  }
  ReceivedResponse response;
  response.head = unread().substr(0, end + 2);
  const std::string problem = read_response_head(response.head, response);
  if (!problem.empty())
    context_->fail_for_certain(name() + " got an answer that is not HTTP: " + problem +
                               ". The answer: '" + readable(unread(), 200) + "'");
  use(end + 4);
  note("reads the head of an answer " + std::to_string(response.status));
  return response;
}

ReceivedResponse Client::read_response(Method method) {
  ReceivedResponse response = read_head();
  if (method == Method::head) return response;
  while (unread().size() < response.content_length)
    need_more("a body of " + std::to_string(response.content_length) + " bytes, of which " +
              std::to_string(unread().size()) + " had come,");
  response.body = unread().substr(0, response.content_length);
  use(response.content_length);
  return response;
}

ReceivedResponse Client::expect_response(int status, Method method) {
  ReceivedResponse response = read_response(method);
  if (response.status == status) return response;
  const std::string seen = name() + " was answered with status " + std::to_string(response.status) +
                           ", not " + std::to_string(status) + ": '" +
                           readable(response.body, 200) + "'";
  // Only these say that the server lacks something.
  if (response.status != 502 && response.status != 503) context_->fail_for_certain(seen);
  context_->fail(seen);
}

ReceivedResponse Client::expect_last_response(int status) {
  ReceivedResponse response = expect_response(status);
  context_->expect(response.closes(), "the answer does not say Connection: close");
  expect_end();
  return response;
}

void Client::expect_response(int status, std::string_view body) {
  const ReceivedResponse response = expect_response(status);
  if (response.body != body)
    context_->fail_for_certain(name() + " got the body '" + readable(response.body, 200) +
                               "', not '" + readable(body, 200) + "'");
}

void Client::expect_bytes(std::size_t size) {
  const ReceivedResponse response = read_head();
  context_->expect(response.status == 200 && response.content_length == size,
                   "the head says status " + std::to_string(response.status) + " and " +
                       std::to_string(response.content_length) + " bytes");
  read_pattern(0, size);
}

void Client::read_pattern(std::size_t from, std::size_t count) {
  const std::size_t end = from + count;
  while (from < end) {
    if (unread().empty()) need_more("byte " + std::to_string(from) + " of " + std::to_string(end));
    const std::string_view bytes = unread().substr(0, end - from);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      if (bytes[i] != pattern_at(from + i))
        context_->fail_for_certain("byte " + std::to_string(from + i) + " of the body is '" +
                                   readable(bytes.substr(i, 16)) + "', and should be '" +
                                   pattern_at(from + i) +
                                   "'. Has something been left out or sent twice?");
    from += bytes.size();
    use(bytes.size());
  }
  note("has read " + std::to_string(count) + " right bytes of the pattern");
}

std::size_t Client::read_some(std::size_t most) {
  if (unread().empty()) (void)more_comes("more bytes", most);
  const std::size_t count = std::min(most, unread().size());
  use(count);
  return count;
}

std::optional<std::string> Client::read_line() {
  std::size_t end;
  while ((end = unread().find('\n')) == std::string_view::npos)
    if (take_in(context_->timeout()) != Got::bytes) return std::nullopt;
  std::string line(unread().substr(0, end));
  use(end + 1);
  return line;
}

void Client::expect_whole_responses_then_end() {
  while (!unread().empty() || more_comes("an answer or the end of the connection")) read_response();
}

void Client::expect_end() {
  if (unread().empty() && !more_comes("the end of the connection")) return;
  const std::string seen = name() +
                           " should see the end of the connection here, and got more bytes: '" +
                           readable(unread(), 120) + "'";
  if (unread().starts_with("HTTP/1.1 503 ")) context_->fail(seen);  // the server lacks something
  context_->fail_for_certain(seen);
}

void Client::expect_orderly_end() {
  expect_end();
  context_->expect(!was_reset_, name() + " was reset where it should see the end of the stream");
}

std::size_t Client::responses_so_far() {
  constexpr std::string_view start = "HTTP/1.1 ";
  while (take_in(Timeout(0)) == Got::bytes) {
  }
  std::size_t count = 0;
  for (std::size_t at = unread().find(start); at != std::string_view::npos;
       at = unread().find(start, at + start.size()))
    ++count;
  return count;
}

void Client::wait_until_server_closes() {
  context_->eventually([this] { return is_closed_by_server(); },
                       [this] {
                         return "the server does not close the connection to " + name() + ". " +
                                describe();
                       });
  note("is closed by the server");
}

bool Client::is_closed_by_server() const {
  const auto look = server_side_of(socket_.fd());
  return !look || look->closed;
}

bool Client::something_arrives_within(std::chrono::milliseconds wait) {
  if (!unread().empty() || ended_) return true;
  return take_in(wait) != Got::silence;
}

void Client::half_close() {
  note("closes its sending side");
  if (shutdown(socket_.fd(), SHUT_WR) < 0 && errno != ENOTCONN)
    throw CallFailed("shutdown", errno, socket_.fd());
}

void Client::reset() {
  note("resets the connection");
  ::reset(socket_);
}

void Client::close() {
  note("closes the connection");
  socket_ = Descriptor();
}

std::string Client::describe() const {
  std::string server = context_->describe_server();
  if (!can_observe_sockets() || !socket_) return "As for the server: " + server + ".";
  const auto look = server_side_of(socket_.fd());
  std::string text;
  if (!look || look->closed)
    text = "The server has closed its end of this connection";
  else if (!look->accepted)
    text = "The server has never accepted this client: it still waits in the listener's backlog";
  else if (look->unread > 0)
    text = "The server has accepted this client and not read " + std::to_string(look->unread) +
           " bytes that lie in its socket";
  else if (look->unsent > 0)
    text = "The server has sent " + std::to_string(look->unsent) + " bytes that are on their way";
  else
    text = "The server has read everything this client sent and has not answered";
  return text + "; " + server + ".";
}

std::vector<Client> connected_clients(Context& context, int count) {
  std::vector<Client> clients;
  for (int i = 0; i < count; ++i) clients.emplace_back(context);
  return clients;
}

std::vector<Client> asking_clients(Context& context, int count, std::string_view path) {
  std::vector<Client> clients;
  for (int i = 0; i < count; ++i) clients.emplace_back(context).get(path);
  return clients;
}

std::vector<Client> answered_clients(Context& context, int count) {
  std::vector<Client> clients;
  for (int i = 0; i < count; ++i) clients.emplace_back(context).expect_echo("x");
  return clients;
}

Client stuck_client(Context& context, std::size_t size, ClientOptions options) {
  Client client(context, options);
  client.get("/bytes/" + std::to_string(size));
  client.wait_until_server_is_stuck();
  return client;
}

double cost_per_request(Context& context, Client& active) {
  constexpr int requests = 200;
  double least = 1e18;
  for (int round = 0; round < 5; ++round) {
    const std::uint64_t before = context.cpu_nanoseconds();
    int looks = 20 * requests;  // there are servers that never sleep
    for (int i = 0; i < requests; ++i) {
      active.expect_echo("x");
      while (looks-- > 0 && !is_asleep(context.server().pid())) std::this_thread::yield();
    }
    context.wait_until_quiet();  // the kernel settles a thread's account when it goes to sleep
    const auto spent = static_cast<double>(context.cpu_nanoseconds() - before);
    least = std::min(least, spent / requests);
  }
  return least;
}

bool BackendCall::read_request(Timeout timeout) {
  std::array<char, 4096> room;
  while (request_.find("\r\n\r\n") == std::string::npos) {
    if (!wait_for(socket_.fd(), POLLIN, timeout)) return false;
    const ssize_t count = receive(socket_.fd(), room);
    if (count <= 0) return false;
    request_.append(room.data(), static_cast<std::size_t>(count));
  }
  return true;
}

bool BackendCall::send(std::string_view bytes, Timeout wait) const {
  set_nonblocking(socket_.fd());
  while (!bytes.empty()) {
    const ssize_t count = send_now(socket_.fd(), bytes);
    if (count < 0 && !is_not_ready(errno)) return false;
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
    if (count < 0 && !wait_for(socket_.fd(), POLLOUT, wait)) return false;
  }
  return true;
}

void BackendCall::answer(std::string_view body) const {
  send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
       "\r\nConnection: close\r\n\r\n" + std::string(body));
  (void)shutdown(socket_.fd(), SHUT_WR);
}

void BackendCall::trickle(std::string_view bytes) const {
  const int on = 1;
  (void)setsockopt(socket_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (const char& byte : bytes) {
    send(std::string_view(&byte, 1));
    const auto deadline = Clock::now() + default_timeout;
    // server_side_of() looks from the other end: here the server is the one that connected.
    while (can_observe_sockets() && Clock::now() < deadline) {
      const auto look = server_side_of(socket_.fd());
      if (!look || look->unread == 0) break;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
}

bool BackendCall::is_left_within(Timeout timeout) const {
  const auto deadline = Clock::now() + timeout;
  std::array<char, 4096> room;
  while (Clock::now() < deadline) {
    if (!wait_for(socket_.fd(), POLLIN, deadline - Clock::now())) return false;
    const ssize_t count = receive(socket_.fd(), room);
    if (count == 0 || (count < 0 && !is_not_ready(errno))) return true;
  }
  return false;
}

void BackendCall::reset() {
  ::reset(socket_);
}

Backend::Backend() : listener_(listen_on("127.0.0.1", 0)), port_(local_port(listener_.fd())) {}

Backend::Backend(Context& context, std::vector<std::string> arguments) : Backend() {
  context.add_disturbances(exhaustion_faults);  // the server needs a descriptor for each call
  arguments.insert(arguments.end(), {"-b", port_text()});
  context.start_with(arguments);
}

BackendCall Backend::take_row_of(Client& client) {
  client.get("/row");
  return take(client.context());
}

BackendCall Backend::take(Context& context) {
  // A fault on purpose may keep the server from asking; no need to wait for that long.
  const Timeout timeout = context.tested().faults == nullptr ? context.timeout() : Timeout(2);
  int more = 3;
  while (!wait_for(listener_.fd(), POLLIN, timeout) && (more-- == 0 || !context.waits_for_a_core()))
    context.fail("the server never connected to the backend; " + context.describe_server());
  BackendCall call(accept_client(listener_.fd(), Blocking::yes));
  if (!call.read_request(context.timeout()))
    context.fail("the server connected to the backend and did not send a whole request; " +
                 context.describe_server());
  context.note("backend: was asked '" + readable(call.first_line(), 80) + "'");
  return call;
}

std::uint16_t Backend::dead_port() {
  const Backend closed;  // its port is free again when it goes, and nobody else listens on it yet
  return closed.port();
}
