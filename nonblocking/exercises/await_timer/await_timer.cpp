// await_timer — your file. A coroutine for each client, as in await_loop, and two paths more:
//   /sleep/MS        is answered after MS milliseconds (0 to 60000)
//   /within/MS/PATH  is answered as /PATH is; with 504, if that takes longer than MS milliseconds
// It answers both, and keeps neither promise: a sleep puts the thread to sleep, and with it
// everybody; and a deadline is read and forgotten. Try: make grade EX=await_timer
//
// Write each co_await as a statement of its own, as here, and let what you await be a variable or a
// value: with g++ 12, a co_await inside a condition makes code that crashes, and an awaiter that a
// function returns by reference is copied.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <coroutine>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "common/acceptor.hpp"
#include "common/backend.hpp"
#include "common/clients.hpp"
#include "common/error.hpp"
#include "common/handler.hpp"
#include "common/http_codec.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "nonblocking/ready_queue.hpp"
#include "nonblocking/task.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: coroutines that sleep, and that wait only so long.";

using std::chrono::milliseconds;

constexpr unsigned most_milliseconds = 60'000;

// -- one client's conversation; compare nonblocking/await_conversation.cpp --

class Conversation {
 public:
  Conversation(Descriptor client, Context& context)
      : context_(context), codec_(context), client_(std::move(client)) {}

  Turn resume() noexcept;
  Turn expire() noexcept;

 private:
  enum class Over : char { yes };

  struct Park {
    Conversation* conversation;
    bool await_ready() const { return std::exchange(conversation->is_ready_, false); }
    void await_suspend(std::coroutine_handle<> innermost) const {
      conversation->parked_ = innermost;
    }
    bool await_resume() const { return conversation->in_time_; }
  };

  Park readable(const Descriptor& descriptor) {
    return park({descriptor.fd(), Interest::readable});
  }
  Park writable(const Descriptor& descriptor) {
    return park({descriptor.fd(), Interest::writable});
  }
  Park more() { return context_.draining ? writable(client_) : readable(client_); }
  Park park(Wait wait) {
    wait_ = wait;
    return {this};
  }

  bool read_more(bool in_time);
  bool answer_requests();
  bool send_responses();
  Task<Response> ask_backend(Request request, std::string& text);
  Task<Response> find_response(std::string_view path, std::string& text);
  Task<bool> respond_later();
  Task<Over> linger();
  Task<Over> converse();

  template <class Run>
  Turn take_turn(Run run) noexcept;
  void go_on(bool in_time);
  bool is_at_backend() const { return wait_.fd >= 0 && wait_.fd != client_.fd(); }

  Context& context_;
  HttpCodec codec_;
  Task<Over> body_;                 // empty until the client sends something
  std::coroutine_handle<> parked_;  // the innermost coroutine,
  Wait wait_;                       // which waits for this
  Descriptor client_;
  bool is_ready_ = false;  // the next wait is over already, so there is no need to park
  bool in_time_ = true;    // the last wait ended because its descriptor was ready
  Progress progress_ = Progress::none;
};

// -- between the waits --

bool Conversation::read_more(bool in_time) {
  const bool was_silent = !codec_.is_inside_request();
  if (!in_time) {
    if (!was_silent) codec_.refuse(408);
    return !was_silent;
  }
  const ssize_t count = receive(client_.fd(), codec_.room());
  const bool may_come = count < 0 && is_not_ready(errno);
  codec_.received(count);
  if (may_come) return !context_.draining;
  if (count <= 0) return false;
  progress_ = was_silent ? Progress::new_time : Progress::some;
  return true;
}

// Is this one of the two paths that are new? What they answer is not known at once.
bool is_about_time(const Request& request) {
  return request.target.starts_with("/sleep/") || request.target.starts_with("/within/");
}

// Answers what has come. True if the response to the next request has to be waited for.
bool Conversation::answer_requests() {
  while (const std::optional<Request> request = codec_.next_request()) {
    progress_ = Progress::new_time;
    if (is_about_time(*request)) return true;
    const Response response = handle(*request);
    if (response.is_from_backend) return true;
    codec_.respond(*request, response);
  }
  return false;
}

bool Conversation::send_responses() {
  const ssize_t count = send_some(client_.fd(), codec_.output());
  if (count < 0 && !is_not_ready(errno)) return false;
  if (count > 0) progress_ = Progress::new_time;
  codec_.sent(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  return true;
}

// -- responses that have to be waited for --

bool take_prefix(std::string_view& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  path.remove_prefix(prefix.size());
  return true;
}

std::optional<milliseconds> read_time(std::string_view text) {
  unsigned number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || stop != end || number > most_milliseconds)
    return std::nullopt;
  return milliseconds(number);
}

Response not_a_time() {
  return {.status = 400,
          .text = "/sleep/MS and /within/MS/PATH take a whole number from 0 to 60000.\n"};
}

// `text` is the memory that the response's text is in.
Task<Response> Conversation::ask_backend(Request request, std::string& text) {
  if (context_.backend_port == 0) co_return no_backend();
  const Descriptor backend = start_connecting(context_.backend_port);
  if (!backend) co_return backend_failure(is_exhaustion(errno) ? 503 : 502);

  const std::string bytes = backend_request(request);
  std::string_view unsent = bytes;
  while (!unsent.empty()) {
    const ssize_t count = send_some(backend.fd(), unsent);
    const bool is_early = count < 0 && (is_not_ready(errno) || errno == ENOTCONN);
    if (count < 0 && !is_early) co_return backend_failure(502);
    if (count > 0) unsent.remove_prefix(static_cast<std::size_t>(count));
    if (unsent.empty()) break;
    const bool in_time = co_await writable(backend);
    if (!in_time) co_return backend_failure(504);
  }
  for (;;) {
    const bool in_time = co_await readable(backend);
    if (!in_time) co_return backend_failure(504);
    std::array<char, 4096> room;
    const ssize_t count = receive(backend.fd(), room);
    if (count < 0 && is_not_ready(errno)) continue;
    if (count < 0) co_return backend_failure(502);
    text.append(room.data(), static_cast<std::size_t>(count));
    if (const auto response = backend_response(text, count == 0)) co_return *response;
  }
}

// The path and the text must live until this has ended.
Task<Response> Conversation::find_response(std::string_view path, std::string& text) {
  if (take_prefix(path, "/sleep/")) {
    const auto time = read_time(path);
    if (!time) co_return not_a_time();
    std::this_thread::sleep_for(*time);
    text = "slept " + std::to_string(time->count()) + " ms\n";
    co_return Response{.text = text};
  }
  if (take_prefix(path, "/within/")) {
    const std::size_t end = path.find('/');
    const auto limit = read_time(path.substr(0, end));
    if (!limit || end == std::string_view::npos) co_return not_a_time();
    const Response response = co_await find_response(path.substr(end), text);
    co_return response;
  }
  const Request request{.target = path};
  const Response response = handle(request);
  if (!response.is_from_backend) co_return response;
  const Response from_backend = co_await ask_backend(request, text);
  co_return from_backend;
}

Task<bool> Conversation::respond_later() {
  const std::optional<Request> request = codec_.next_request();
  if (!request) co_return false;  // never: it is the one that answer_requests() has met
  std::string text;
  const Response response = co_await find_response(request->target, text);
  progress_ = Progress::new_time;
  codec_.respond(*request, response);
  co_return true;
}

// -- from the first request to the last --

Task<Conversation::Over> Conversation::linger() {
  if (shutdown(client_.fd(), SHUT_WR) < 0) co_return Over::yes;
  for (;;) {
    const ssize_t count = receive(client_.fd(), codec_.room());
    const bool may_come = count < 0 && is_not_ready(errno) && !context_.draining;
    const bool has_come = codec_.discard(count);
    if (!may_come && !has_come) break;
    const bool in_time = co_await more();
    if (!in_time) break;
  }
  co_return Over::yes;
}

Task<Conversation::Over> Conversation::converse() {
  bool goes_on = true;
  while (goes_on) {
    const bool must_wait = answer_requests();
    if (codec_.has_output()) {  // who is answered need not wait for the rest
      goes_on = send_responses();
      const bool has_more = must_wait || codec_.next_request() || codec_.has_output();
      if (goes_on && has_more) goes_on = co_await writable(client_);
    } else if (must_wait) {
      goes_on = co_await respond_later();
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

Turn Conversation::resume() noexcept {
  return take_turn([this] { go_on(/*in_time=*/true); });
}

Turn Conversation::expire() noexcept {
  if (!parked_) return {};
  return take_turn([this] { go_on(/*in_time=*/false); });
}

void Conversation::go_on(bool in_time) {
  if (parked_) {
    in_time_ = in_time;
    std::exchange(parked_, {}).resume();
  } else {
    is_ready_ = true;  // the first wait: the client has sent something, or nobody would call
    body_ = converse();
  }
}

template <class Run>
Turn Conversation::take_turn(Run run) noexcept try {
  progress_ = Progress::none;
  const bool was_at_backend = is_at_backend();
  run();
  if (body_.has_ended()) return {.progress = progress_, .closed = was_at_backend};
  Counters::count(context_.counters.waits);
  return {.wait = wait_, .progress = progress_, .closed = was_at_backend && !is_at_backend()};
} catch (const std::bad_alloc&) {
  return {};
}

// -- the loop; compare nonblocking/event_loop.hpp --

class TimerLoop {
 public:
  explicit TimerLoop(const Options& options)
      : context_{handle, signals_.stop_requested(), counters_, options.backend_port},
        acceptor_(open_listener(options), Blocking::no),
        clients_(options.idle_limit, counters_) {
    if (!queue_.watch(stop_wait_, nullptr)) throw CallFailed("watch", errno, stop_wait_.fd);
    start_accepting();
    if (!is_accepting_) throw CallFailed("watch", errno, acceptor_.fd());
    announce(acceptor_.fd());
  }

  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto deadline = earlier(clients_.next_due(), acceptor_.resumes_at(now_));
      const auto ready = queue_.wait(milliseconds_until(deadline, Clock::now()));
      now_ = Clock::now();
      Counters::count(counters_.wakeups);
      for (void* owner : ready) {
        if (owner == &acceptor_)
          accept_clients();
        else if (owner != nullptr)
          resume(*static_cast<Client*>(owner));
      }
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (context_.draining && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = Clients<Conversation, Wait>::Client;

  // -- clients come --

  void start_accepting() {
    is_accepting_ = queue_.watch({acceptor_.fd(), Interest::readable}, &acceptor_);
    if (!is_accepting_) acceptor_.pause(now_);
  }

  void stop_accepting() {
    if (is_accepting_) queue_.forget({acceptor_.fd(), Interest::readable});
    is_accepting_ = false;
  }

  void accept_clients() {
    for (int i = 0; i < most_accepted_at_once && acceptor_.is_accepting(now_); ++i) {
      Descriptor socket = acceptor_.next_client(now_);
      if (!socket) break;
      welcome(std::move(socket));
    }
    if (!acceptor_.is_accepting(now_)) stop_accepting();
  }

  void welcome(Descriptor socket) try {
    const Wait wait{socket.fd(), Interest::readable};
    Client& client = clients_.add(Conversation(std::move(socket), context_), wait, now_);
    if (queue_.watch(wait, &client)) return;
    clients_.remove(client);
    acceptor_.pause(now_);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- clients go on --

  void resume(Client& client) { after_turn(client, client.conversation.resume()); }

  void expire_clients() {
    while (Client* client = clients_.first_due(now_)) {
      clients_.renew(*client, now_);
      after_turn(*client, client->conversation.expire());
    }
  }

  void after_turn(Client& client, const Turn& turn) {
    if (turn.closed) client.registration = Wait();
    const bool goes_on = turn.wait && watch(client, *turn.wait);
    if (!goes_on) {
      if (client.registration != Wait()) queue_.forget_before_close(client.registration);
      clients_.remove(client);
    } else if (turn.progress == Progress::new_time) {
      clients_.renew(client, now_);
    }
  }

  bool watch(Client& client, Wait wait) {
    const Wait old = std::exchange(client.registration, wait);
    if (wait == old) return true;
    if (wait.fd == old.fd) return queue_.change(old, wait, &client);
    if (old != Wait()) queue_.forget(old);
    return queue_.watch(wait, &client);
  }

  // -- the end --

  void stop() {
    stop_accepting();
    acceptor_.close();
    queue_.forget(stop_wait_);
    clients_.for_each([this](Client& client) { resume(client); });
  }

  static constexpr int most_accepted_at_once = 64;

  Counters counters_;
  Signals signals_{counters_};
  Context context_;
  const Wait stop_wait_{signals_.stop_descriptor(), Interest::readable};
  ReadyQueue queue_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
  Clients<Conversation, Wait> clients_;
  Time now_ = Clock::now();
};

void run_server(int argc, char** argv) {
  TimerLoop loop(read_options(argc, argv, "apbth", purpose));
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
