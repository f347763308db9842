#include "tests/measure/client_group.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "common/error.hpp"
#include "tests/kit/interruption.hpp"

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace {

// Connections begun and not yet answered; a listener's backlog holds many more.
constexpr std::size_t most_under_way = 128;

std::uint64_t nanoseconds_since(LoadClock::time_point then) {
  const auto time = std::chrono::duration_cast<Nanoseconds>(LoadClock::now() - then).count();
  return static_cast<std::uint64_t>(std::max<long long>(time, 0));
}

// -- connections --

constexpr unsigned last_source = 32;  // of the addresses 127.0.0.x to connect from

sockaddr_in loopback(unsigned last_byte, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last_byte);
  return address;
}

Descriptor new_socket() {
#ifdef SOCK_CLOEXEC
  Descriptor made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) throw CallFailed("socket", errno);
#else
  Descriptor made(socket(AF_INET, SOCK_STREAM, 0));
  if (!made) throw CallFailed("socket", errno);
  if (fcntl(made.fd(), F_SETFD, FD_CLOEXEC) < 0) throw CallFailed("fcntl", errno, made.fd());
  set_nonblocking(made.fd());
#endif
  const int on = 1;
  if (setsockopt(made.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
    throw CallFailed("setsockopt(TCP_NODELAY)", errno, made.fd());
  return made;
}

// 0, or the errno of the call that failed.
int connect_from(int socket, unsigned source, std::uint16_t port) {
  if (source != 1) {
#ifdef IP_BIND_ADDRESS_NO_PORT
    // Leave the port to connect(2), which may use one port for several destinations (ip(7)).
    const int on = 1;
    (void)setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
#endif
    const sockaddr_in from = loopback(source, 0);
    if (bind(socket, reinterpret_cast<const sockaddr*>(&from), sizeof from) < 0) return errno;
  }
  const sockaddr_in to = loopback(1, port);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return 0;
  return errno == EINPROGRESS || errno == EINTR ? 0 : errno;
}

}  // namespace

LoadLoop::LoadLoop() {
  std::signal(SIGPIPE, SIG_IGN);
#ifdef __linux__
  // A wait for the next due time is otherwise rounded up by 50 microseconds (prctl(2)).
  (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
#endif
}

Descriptor LoadLoop::dial(std::uint16_t port) {
  for (unsigned tries = 1;; ++tries) {
    Descriptor made = new_socket();
    const int error = connect_from(made.fd(), source_, port);
    if (error == 0) return made;
    const bool out_of_ports = error == EADDRNOTAVAIL || error == EADDRINUSE;
    if (!out_of_ports || tries == last_source)
      throw CallFailed("connect from 127.0.0." + std::to_string(source_), error, made.fd());
    source_ = source_ % last_source + 1;
  }
}

void LoadLoop::step(Nanoseconds timeout) {
  throw_if_interrupted();
  for (void* owner : watcher_.wait(timeout)) {
    auto* client = static_cast<ClientGroup::Client*>(owner);
    client->group->on_ready(*client);
  }
}

ClientGroup::ClientGroup(LoadLoop& loop, std::uint16_t port) : loop_(loop), port_(port) {
  ask("/");
}

ClientGroup::~ClientGroup() {
  leave();
}

void ClientGroup::ask(const std::string& target) {
  target_ = target;
  personal_ = target.find('#') != std::string::npos;
  batch_ = requests_for(target_);
  expectation_ = expected_response(target_);
  last_response_.clear();
}

void ClientGroup::pipeline(std::size_t depth) {
  depth_ = depth;
  ask(target_);
}

void ClientGroup::new_connection_each() {
  new_connection_each_ = true;
  ask(target_);
}

std::string ClientGroup::target_of(const Client& client) const {
  std::string target = target_;
  for (std::size_t at = 0; (at = target.find('#')) != target.npos;)
    target.replace(at, 1, std::to_string(client.number));
  return target;
}

std::string ClientGroup::requests_for(const std::string& target) const {
  std::string requests;
  for (std::size_t i = 0; i < depth_; ++i)
    requests += "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" +
                (new_connection_each_ ? "Connection: close\r\n\r\n" : "\r\n");
  return requests;
}

// ---- one client, from event to event

void ClientGroup::open(Client& client) {
  client.socket = loop_.dial(port_);
  client.watched = Watcher::For::readable;
  loop_.watcher_.watch(client.socket.fd(), client.watched, &client);
}

void ClientGroup::close(Client& client) {
  if (client.socket) loop_.watcher_.forget(client.socket.fd());
  client.socket = Descriptor();
  client.awaited = 0;
  client.unsent.clear();
  client.ending = false;
  client.check.reset();
}

void ClientGroup::watch_for(Client& client, Watcher::For what) {
  if (client.watched == what) return;
  client.watched = what;
  loop_.watcher_.change(client.socket.fd(), what, &client);
}

void ClientGroup::send_batch(Client& client, LoadClock::time_point since) {
  client.since = since;
  client.awaited = static_cast<std::uint32_t>(depth_);
  ++client.asked;
  if (!client.busy) ++busy_;
  client.busy = true;
  // The common round copies nothing: the same bytes for everybody, taken whole by the kernel.
  const std::string own = personal_ ? requests_for(target_of(client)) : std::string();
  const std::string_view bytes = personal_ ? own : batch_;
  const ssize_t sent = send_some(client.socket.fd(), bytes);
  if (sent == static_cast<ssize_t>(bytes.size())) return;
  if (sent < 0 && !is_not_ready(errno) && errno != ENOTCONN)
    return fail(client, describe_failure("send", errno));
  client.unsent = bytes.substr(sent < 0 ? 0 : static_cast<std::size_t>(sent));
  watch_for(client, Watcher::For::writable);
}

void ClientGroup::send_unsent(Client& client) {
  const ssize_t sent = send_some(client.socket.fd(), client.unsent);
  if (sent < 0) {
    if (!is_not_ready(errno)) fail(client, describe_failure("send", errno));
    return;
  }
  client.unsent.erase(0, static_cast<std::size_t>(sent));
  if (client.unsent.empty()) watch_for(client, Watcher::For::readable);
}

void ClientGroup::on_ready(Client& client) {
  // It may have been closed since the wait came back, with the rest of a group that failed.
  if (!client.socket) return;
  if (!client.unsent.empty()) return send_unsent(client);
  while (client.socket && receive_once(client)) continue;
}

// True: there may be more to receive at once.
bool ClientGroup::receive_once(Client& client) {
  const ssize_t count = receive(client.socket.fd(), loop_.room_);
  if (count < 0) {
    if (!is_not_ready(errno)) fail(client, describe_failure("recv", errno));
    return false;
  }
  if (count == 0) {
    on_end(client);
    return false;
  }
  const auto size = static_cast<std::size_t>(count);
  received_ += size;
  on_bytes(client, std::string_view(loop_.room_.data(), size));
  return client.ending || size == loop_.room_.size();
}

void ClientGroup::on_bytes(Client& client, std::string_view bytes) {
  while (!bytes.empty() && client.socket) {
    if (client.awaited == 0) return fail(client, "got bytes that it had not asked for");
    if (take_known_response(client, bytes))
      on_response(client);
    else
      check_bytes(client, bytes);
  }
}

// An answer that equals the last good one, byte for byte, is good.
bool ClientGroup::take_known_response(Client& client, std::string_view& bytes) {
  if (personal_ || last_response_.empty() || !client.check.untouched()) return false;
  if (!bytes.starts_with(last_response_)) return false;
  bytes.remove_prefix(last_response_.size());
  return true;
}

void ClientGroup::check_bytes(Client& client, std::string_view& bytes) {
  const bool whole = client.check.untouched();
  const std::size_t taken =
      client.check.take(bytes, personal_ ? expected_response(target_of(client)) : expectation_);
  if (!client.check.problem().empty()) return fail(client, client.check.problem());
  const std::string_view response = bytes.substr(0, taken);
  bytes.remove_prefix(taken);
  if (!client.check.finished()) return;
  if (client.check.head().closes() != new_connection_each_)
    return fail(client, new_connection_each_ ? "asked for a close and was not promised one"
                                             : "was told that the server closes");
  if (whole && !personal_) last_response_ = response;
  client.check.reset();
  on_response(client);
}

void ClientGroup::on_response(Client& client) {
  ++responses_;
  --client.awaited;
  if (client.awaited > 0) return;
  latencies_.record(nanoseconds_since(client.since));
  if (new_connection_each_)
    client.ending = true;
  else
    go_on(client);
}

void ClientGroup::on_end(Client& client) {
  if (!client.ending)
    return fail(client, client.awaited > 0 ? "closed by the server before its answer was whole"
                                           : "closed by the server while it was idle");
  close(client);
  go_on(client);
}

void ClientGroup::go_on(Client& client) {
  const auto now = LoadClock::now();
  switch (mode_) {
    case Mode::rest:
      return come_to_rest(client);
    case Mode::open_another:
      come_to_rest(client);
      return open_more();
    case Mode::ask_while_any_are_left:
      if (left_ == 0) return come_to_rest(client);
      left_ -= std::min<std::uint64_t>(left_, depth_);
      break;
    case Mode::ask_when_due:
      if (due(client) > now || due(client) >= end_) return come_to_rest(client);
      if (new_connection_each_) open(client);
      return send_batch(client, due(client));
    case Mode::ask_again:
      break;
  }
  if (new_connection_each_) open(client);
  send_batch(client, now);
}

void ClientGroup::come_to_rest(Client& client) {
  if (client.busy) --busy_;
  client.busy = false;
}

void ClientGroup::fail(const Client& client, const std::string& what) {
  fail("client " + std::to_string(client.number) + " " + what);
}

void ClientGroup::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
  for (Client& client : clients_) close(client);
}

// ---- all of them

void ClientGroup::begin(Mode mode) {
  mode_ = mode;
  responses_ = 0;
  for (Client& client : clients_) client.asked = 0;
  begin_counting();
}

void ClientGroup::begin_counting() {
  latencies_.clear();
  uncounted_ = responses_;
  start_ = LoadClock::now();
  cpu_start_ = std::clock();
}

LoadResult ClientGroup::counted() const {
  const double seconds = in_seconds(LoadClock::now() - start_);
  const double cpu = static_cast<double>(std::clock() - cpu_start_) / CLOCKS_PER_SEC;
  return {responses_ - uncounted_, responses_, seconds, seconds > 0 ? cpu / seconds : 0};
}

void ClientGroup::start_all() {
  for (Client& client : clients_) {
    if (failed() || (mode_ == Mode::ask_while_any_are_left && left_ == 0)) return;
    go_on(client);
  }
}

// Waits until `done()`; gives up when for `timeout_` not a byte has come.
template <class Done>
bool ClientGroup::wait_while_it_moves(Done done) {
  while (!failed() && !done()) {
    const std::uint64_t before = received_;
    const auto moved = [&] { return failed() || done() || received_ != before; };
    if (!loop_.run_until(LoadClock::now() + timeout_, moved)) return false;
  }
  return !failed();
}

// Waits for the answers that are under way.
void ClientGroup::finish() {
  if (mode_ != Mode::ask_when_due) mode_ = Mode::rest;
  if (!wait_while_it_moves([&] { return busy_ == 0; }))
    fail(std::to_string(busy_) + " clients got no answer for " +
         std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count()) +
         " ms");
  mode_ = Mode::rest;
}

void ClientGroup::open_more() {
  while (to_open_ > 0 && busy_ < most_under_way && !failed()) {
    --to_open_;
    Client& client = clients_.emplace_back();
    client.group = this;
    client.number = static_cast<std::uint32_t>(clients_.size());
    open(client);
    send_batch(client, LoadClock::now());
  }
}

std::size_t ClientGroup::connect(std::size_t count) {
  if (failed()) return 0;
  begin(Mode::open_another);
  to_open_ = count;
  open_more();
  const bool all = wait_while_it_moves([&] { return to_open_ + busy_ == 0; });
  const std::size_t answered = count - to_open_ - busy_;
  if (!all)
    fail(std::to_string(answered) + " of " + std::to_string(count) + " clients were answered");
  mode_ = Mode::rest;
  return answered;
}

LoadResult ClientGroup::closed_loop(Nanoseconds time) {
  LoadResult result;
  begin(Mode::ask_again);
  start_all();
  // The first round does not count: it starts all at once, and from rest.
  const std::uint64_t round = clients_.size() * depth_;
  if (wait_while_it_moves([&] { return responses_ >= round; })) {
    begin_counting();
    loop_.run_until(start_ + time, [&] { return failed(); });
    result = counted();
  }
  finish();
  result.all_responses = responses_;
  return result;
}

LoadResult ClientGroup::closed_loop_requests(std::uint64_t count) {
  start_requests(count);
  return finish_requests();
}

void ClientGroup::start_requests(std::uint64_t count) {
  begin(Mode::ask_while_any_are_left);
  left_ = count;
  start_all();
}

LoadResult ClientGroup::finish_requests() {
  wait_while_it_moves([&] { return left_ == 0; });
  finish();
  return counted();
}

// Request i of all is the client's in place i % clients.
LoadClock::time_point ClientGroup::due(std::uint64_t request) const {
  return start_ + Nanoseconds(static_cast<long long>(gap_ * static_cast<double>(request)));
}

LoadClock::time_point ClientGroup::due(const Client& client) const {
  return due(client.asked * clients_.size() + client.number - 1);
}

LoadResult ClientGroup::constant_rate(double per_second, Nanoseconds time) {
  begin(Mode::ask_when_due);
  if (clients_.empty()) fail("there are no clients");
  gap_ = 1e9 / per_second;
  end_ = start_ + time;
  for (std::uint64_t i = 0; !failed() && due(i) < end_; ++i) {
    loop_.run_until(due(i), [&] { return failed(); });
    Client& client = clients_[i % clients_.size()];
    // A client that still waits asks as soon as it has been answered, late as that is.
    if (!client.busy && !failed()) go_on(client);
  }
  finish();
  return counted();
}

void ClientGroup::leave() {
  while (!clients_.empty()) {
    come_to_rest(clients_.back());
    close(clients_.back());
    clients_.pop_back();
  }
  failure_.clear();
}
