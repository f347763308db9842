// await_timer, written otherwise: deadlines are handed down from wait to wait and nothing suspended
// is ever destroyed but by its client's end; alarms stay in a heap until they are due, and ring
// only for the wait they were set for.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <coroutine>
#include <cstdint>
#include <new>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/acceptor.hpp"
#include "common/clients.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "common/site.hpp"
#include "common/surroundings.hpp"
#include "nonblocking/ready_queue.hpp"
#include "nonblocking/task.hpp"

namespace {

constexpr const char* purpose = "An exercise: coroutines that sleep, and that wait only so long.";

using std::chrono::milliseconds;

constexpr unsigned most_milliseconds = 60'000;

constexpr Time never = Time::max();

// A conversation's wait is named by two numbers. When it is over, so is the name.
struct Alarm {
  Time due;
  std::uint64_t client;
  std::uint64_t wait;
  bool operator>(const Alarm& other) const { return due > other.due; }
};

enum class Woken { ready, too_silent, alarm };

// -- one client's conversation; compare nonblocking/await_conversation.cpp --

class Conversation {
 public:
  Conversation(Descriptor client, Surroundings& surroundings)
      : surroundings_(surroundings), exchange_(surroundings.bench), client_(std::move(client)) {}

  std::optional<Wait> resume() noexcept;
  std::optional<Wait> expire() noexcept;
  std::optional<Wait> ring() noexcept;
  Wait request_wait() const { return {client_.fd(), Until::readable}; }
  bool has_progressed() const { return progressed_; }
  bool is_for_backend(Wait wait) const { return wait.fd != client_.fd(); }

  std::uint64_t number = 0;  // the loop's name for this client
  std::uint64_t wait_number() const { return wait_number_; }
  Time due() const { return due_; }  // when the present wait is to end at the latest

 private:
  struct Over {};

  struct Park {
    Conversation* conversation;
    bool await_ready() const { return std::exchange(conversation->is_ready_, false); }
    void await_suspend(std::coroutine_handle<> innermost) const {
      conversation->parked_ = innermost;
    }
    Woken await_resume() const { return conversation->woken_; }
  };

  Park readable(const Descriptor& descriptor, Time due = never) {
    return park({descriptor.fd(), Until::readable}, due);
  }
  Park writable(const Descriptor& descriptor, Time due = never) {
    return park({descriptor.fd(), Until::writable}, due);
  }
  Park park(Wait wait, Time due, bool sleeps = false) {
    wait_ = wait;
    due_ = due;
    sleeps_ = sleeps;
    ++wait_number_;
    return {this};
  }

  Task<bool> sleep_until(Time end);
  Task<bool> write_answers();
  bool read_more(Woken woken);
  Task<bool> read_request();
  Task<Answer> ask_backend(std::string question, std::string& text, Time deadline);
  Task<std::optional<Answer>> find_answer(std::string_view path, std::string& text);
  Task<bool> answer_later();
  Task<Over> linger();
  Task<Over> converse();

  std::optional<Wait> take_turn(Woken woken) noexcept;

  Surroundings& surroundings_;
  Exchange exchange_;
  Task<Over> body_;                 // empty until the client sends something
  std::coroutine_handle<> parked_;  // the innermost coroutine
  Wait wait_;                       // what it waits for
  Descriptor client_;
  bool is_ready_ = false;  // the next wait is over already, so there is no need to park
  Woken woken_ = Woken::ready;
  Time due_ = never;
  std::uint64_t wait_number_ = 0;
  bool sleeps_ = false;  // it is we who take our time: the client's does not count
  bool progressed_ = false;
};

// False if the client is gone before.
Task<bool> Conversation::sleep_until(Time end) {
  Wait wait = request_wait();
  for (;;) {
    const Park park_until_end = park(wait, end, true);
    const Woken woken = co_await park_until_end;
    if (woken == Woken::alarm) co_return true;
    char byte = 0;
    const ssize_t count = recv(client_.fd(), &byte, 1, MSG_PEEK);
    if (count < 0 && !is_not_ready(errno) && errno != EINTR) co_return false;
    if (count >= 0) wait = {};  // it has more to say, or nothing: neither is news for a sleeper
  }
}

Task<bool> Conversation::write_answers() {
  while (exchange_.has_outgoing()) {
    const ssize_t count = send_some(client_.fd(), exchange_.outgoing());
    if (count < 0 && !is_not_ready(errno)) co_return false;
    progressed_ = progressed_ || count > 0;
    if (count > 0) exchange_.sent(static_cast<std::size_t>(count));
    const bool has_more = exchange_.next_request() != nullptr || exchange_.has_outgoing();
    if (!has_more) continue;
    const Woken woken = co_await writable(client_);
    if (woken != Woken::ready) co_return false;
  }
  co_return true;
}

bool Conversation::read_more(Woken woken) {
  const bool was_silent = !exchange_.is_inside_request();
  if (woken != Woken::ready) {
    if (!was_silent) exchange_.refuse(408);
    return !was_silent;
  }
  const ssize_t count = receive(client_.fd(), exchange_.room());
  if (count < 0 && is_not_ready(errno)) return !stop_requested();
  if (count <= 0) return false;
  progressed_ = was_silent;
  exchange_.received(static_cast<std::size_t>(count));
  return true;
}

Task<bool> Conversation::read_request() {
  for (;;) {
    if (exchange_.next_request() != nullptr) {
      progressed_ = true;
      co_return true;
    }
    if (exchange_.has_outgoing()) {
      const bool is_there = co_await write_answers();
      if (!is_there) co_return false;
    } else {
      if (exchange_.is_closing()) co_return false;
      const Park park = stop_requested() ? writable(client_) : readable(client_);
      const Woken woken = co_await park;
      if (!read_more(woken)) co_return false;
    }
  }
}

// -- answers that have to be waited for --

bool take_prefix(std::string_view& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  path.remove_prefix(prefix.size());
  return true;
}

bool may_have_to_wait(const Request& request) {
  return asks_backend(request) || request.target.starts_with("/sleep/") ||
         request.target.starts_with("/within/");
}

std::optional<milliseconds> read_time(std::string_view text) {
  unsigned number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || stop != end || number > most_milliseconds)
    return std::nullopt;
  return milliseconds(number);
}

Answer not_a_time() {
  return {.status = 400,
          .text = "/sleep/MS and /within/MS/PATH take a whole number from 0 to 60000.\n"};
}

Answer out_of_time() {
  return {.status = 504, .text = "This has taken longer than it was given.\n"};
}

// `text` is the memory that the answer's text is in.
Task<Answer> Conversation::ask_backend(std::string question, std::string& text, Time deadline) {
  if (surroundings_.backend_port == 0) co_return no_backend();
  const Descriptor backend = start_connecting(surroundings_.backend_port);
  if (!backend) co_return row_failure(is_exhaustion(errno) ? 503 : 502);

  std::string_view unasked = question;
  while (!unasked.empty()) {
    const ssize_t count = send_some(backend.fd(), unasked);
    const bool is_early = count < 0 && (is_not_ready(errno) || errno == ENOTCONN);
    if (count < 0 && !is_early) co_return row_failure(502);
    if (count > 0) unasked.remove_prefix(static_cast<std::size_t>(count));
    if (unasked.empty()) break;
    const Woken woken = co_await writable(backend, deadline);
    if (woken != Woken::ready) co_return row_failure(504);
  }
  for (;;) {
    const Woken woken = co_await readable(backend, deadline);
    if (woken != Woken::ready) co_return row_failure(504);
    const std::span<char> room = exchange_.room();
    const ssize_t count = receive(backend.fd(), room);
    if (count < 0 && is_not_ready(errno)) continue;
    if (count < 0) co_return row_failure(502);
    text.append(room.data(), static_cast<std::size_t>(count));
    if (const auto answer = relay_row(text, count == 0)) co_return *answer;
  }
}

// Nothing if the client is gone. The path and the text must live until this has ended.
Task<std::optional<Answer>> Conversation::find_answer(std::string_view path, std::string& text) {
  Time deadline = never;
  while (take_prefix(path, "/within/")) {
    const std::size_t end = path.find('/');
    const auto limit = read_time(path.substr(0, end));
    if (!limit || end == std::string_view::npos) co_return not_a_time();
    deadline = std::min(deadline, Clock::now() + *limit);
    path.remove_prefix(end);
  }
  if (take_prefix(path, "/sleep/")) {
    const auto time = read_time(path);
    if (!time) co_return not_a_time();
    const Time end = Clock::now() + *time;
    const bool is_there = co_await sleep_until(std::min(end, deadline));
    if (!is_there) co_return std::nullopt;
    if (deadline < end) co_return out_of_time();
    text = "slept " + std::to_string(time->count()) + " ms\n";
    co_return Answer{.text = text};
  }
  const Request request{.target = path};
  if (!asks_backend(request)) co_return answer_to(request);
  const Answer row = co_await ask_backend(backend_request(request), text, deadline);
  co_return row;
}

Task<bool> Conversation::answer_later() {
  const std::string path(exchange_.request().target);
  const bool is_there = co_await write_answers();  // who is answered need not wait for this one
  if (!is_there) co_return false;
  std::string text;
  const std::optional<Answer> answer = co_await find_answer(path, text);
  if (!answer) co_return false;
  exchange_.next_request();  // the waits have cleared the bench: here it is again
  exchange_.answer(*answer);
  co_return true;
}

// -- from the first request to the last --

Task<Conversation::Over> Conversation::linger() {
  if (shutdown(client_.fd(), SHUT_WR) < 0) co_return Over{};
  constexpr int most_turns = 64;
  for (int i = 0; i < most_turns; ++i) {
    const bool stops = stop_requested();
    if (!stops) {
      const Woken woken = co_await readable(client_);
      if (woken != Woken::ready) break;
    }
    const ssize_t count = receive(client_.fd(), exchange_.room());
    if (stops || count == 0 || (count < 0 && !is_not_ready(errno))) break;
  }
  co_return Over{};
}

Task<Conversation::Over> Conversation::converse() {
  for (;;) {
    const bool has_request = co_await read_request();
    if (!has_request) break;
    if (!may_have_to_wait(exchange_.request())) {
      exchange_.answer(answer_to(exchange_.request()));
    } else {
      const bool is_there = co_await answer_later();
      if (!is_there) co_return Over{};
    }
  }
  if (exchange_.should_linger()) co_await linger();
  co_return Over{};
}

// -- as the loop sees it --

std::optional<Wait> Conversation::resume() noexcept {
  return take_turn(Woken::ready);
}

std::optional<Wait> Conversation::ring() noexcept {
  return take_turn(Woken::alarm);
}

std::optional<Wait> Conversation::expire() noexcept {
  progressed_ = false;
  if (!parked_) return std::nullopt;
  if (sleeps_) return wait_;
  return take_turn(Woken::too_silent);
}

std::optional<Wait> Conversation::take_turn(Woken woken) noexcept try {
  progressed_ = false;
  exchange_.take_up();
  if (parked_) {
    woken_ = woken;
    std::exchange(parked_, {}).resume();
  } else {
    is_ready_ = true;  // the first wait: the client has sent something, or nobody would call
    body_ = converse();
  }
  if (body_.has_ended()) return std::nullopt;
  Counters::count(counters.waits);
  exchange_.stow();
  return wait_;
} catch (const std::bad_alloc&) {
  return std::nullopt;
}

// -- the loop; compare nonblocking/event_loop.hpp --

class TimerLoop {
 public:
  explicit TimerLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no),
        surroundings_(options.backend_port),
        clients_(options.idle_limit) {
    if (!queue_.watch(stop_wait_, nullptr)) throw CallFailed("watch", errno, stop_wait_.fd);
    start_accepting();
    if (!is_accepting_) throw CallFailed("watch", errno, acceptor_.fd());
    announce(acceptor_.fd());
  }

  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto ready = queue_.wait(milliseconds_until(next_due(), Clock::now()));
      now_ = Clock::now();
      Counters::count(counters.wakeups);
      for (void* owner : ready) {
        if (owner == &acceptor_)
          accept_clients();
        else if (owner != nullptr)
          resume(*static_cast<Client*>(owner));
      }
      ring_alarms();
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (stop_requested() && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = Clients<Conversation, Wait>::Client;

  std::optional<Time> next_due() const {
    const std::optional<Time> due = earlier(clients_.next_due(), acceptor_.resumes_at(now_));
    return alarms_.empty() ? due : earlier(due, alarms_.top().due);
  }

  // -- clients come --

  void start_accepting() {
    is_accepting_ = queue_.watch({acceptor_.fd(), Until::readable}, &acceptor_);
    if (!is_accepting_) acceptor_.pause(now_);
  }

  void stop_accepting() {
    if (is_accepting_) queue_.forget({acceptor_.fd(), Until::readable});
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
    Conversation conversation(std::move(socket), surroundings_);
    const Wait wait = conversation.request_wait();
    Client& client = clients_.add(std::move(conversation), wait, now_);
    client.conversation.number = ++last_number_;
    by_number_[last_number_] = &client;
    if (queue_.watch(wait, &client)) return;
    remove(client);
    acceptor_.pause(now_);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- clients go on --

  void resume(Client& client) {
    before_turn(client);
    after_turn(client, client.conversation.resume());
  }

  void ring_alarms() {
    while (!alarms_.empty() && alarms_.top().due <= now_) {
      const Alarm alarm = alarms_.top();
      alarms_.pop();
      const auto found = by_number_.find(alarm.client);
      if (found == by_number_.end()) continue;
      Client& client = *found->second;
      if (client.conversation.wait_number() != alarm.wait) continue;
      before_turn(client);
      after_turn(client, client.conversation.ring());
    }
  }

  void expire_clients() {
    while (Client* client = clients_.first_due(now_)) {
      clients_.renew(*client, now_);
      before_turn(*client);
      after_turn(*client, client->conversation.expire());
    }
  }

  void before_turn(Client& client) {
    if (client.conversation.is_for_backend(client.note)) forget(client);
  }

  void after_turn(Client& client, std::optional<Wait> wait) {
    const bool goes_on = wait && watch(client, *wait);
    if (!goes_on) {
      if (client.note.fd >= 0) queue_.forget_before_close(client.note);
      remove(client);
      return;
    }
    const Conversation& conversation = client.conversation;
    if (conversation.due() != never)
      alarms_.push({conversation.due(), conversation.number, conversation.wait_number()});
    if (conversation.has_progressed()) clients_.renew(client, now_);
  }

  void remove(Client& client) {
    by_number_.erase(client.conversation.number);
    clients_.remove(client);
  }

  // A wait without a descriptor is for an alarm only.
  bool watch(Client& client, Wait wait) {
    const Wait old_wait = client.note;
    if (wait == old_wait) return true;
    if (wait.fd != old_wait.fd) forget(client);
    client.note = wait;
    if (wait.fd < 0) return true;
    if (wait.fd != old_wait.fd) return queue_.watch(wait, &client);
    return queue_.change(old_wait, wait, &client);
  }

  void forget(Client& client) {
    if (client.note.fd >= 0) queue_.forget(client.note);
    client.note.fd = -1;
  }

  // -- the end --

  void stop() {
    stop_accepting();
    acceptor_.close();
    queue_.forget(stop_wait_);
    clients_.for_each([this](Client& client) {
      if (client.note == client.conversation.request_wait()) resume(client);
    });
  }

  static constexpr int most_accepted_at_once = 64;

  const Wait stop_wait_{install_signal_handlers(), Until::readable};
  ReadyQueue queue_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
  Surroundings surroundings_;
  Clients<Conversation, Wait> clients_;
  std::unordered_map<std::uint64_t, Client*> by_number_;
  std::uint64_t last_number_ = 0;
  std::priority_queue<Alarm, std::vector<Alarm>, std::greater<>> alarms_;
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
