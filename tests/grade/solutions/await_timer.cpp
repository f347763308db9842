// await_timer, solved: alarms live in the frames of those who wait for them, so whoever destroys a
// frame takes its alarms off the list, and to cancel anything is to destroy it.
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <coroutine>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <utility>

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

class Conversation;
class Alarm;

// -- time --

// All alarms that are set, the next one in front.
class Alarms {
 public:
  using Place = std::multimap<Time, Alarm*>::iterator;

  Place add(Time due, Alarm& alarm) { return alarms_.emplace(due, &alarm); }
  void remove(Place place) { alarms_.erase(place); }

  Alarm* first_due(Time now) const {
    return !alarms_.empty() && alarms_.begin()->first <= now ? alarms_.begin()->second : nullptr;
  }
  std::optional<Time> next_due() const {
    if (alarms_.empty()) return std::nullopt;
    return alarms_.begin()->first;
  }

 private:
  std::multimap<Time, Alarm*> alarms_;
};

// The moment at which a coroutine is to go on. It stands in the list from set() until it rings or
// is destroyed, whichever comes first.
class Alarm {
 public:
  Alarm(Alarms& alarms, milliseconds after, Conversation& owner)
      : alarms_(alarms), due_(Clock::now() + after), owner_(owner) {}
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() { stop(); }

  // Throws std::bad_alloc.
  void set(std::coroutine_handle<> sleeper) {
    sleeper_ = sleeper;
    place_ = alarms_.add(due_, *this);
  }
  void stop() {
    if (place_) alarms_.remove(*place_);
    place_.reset();
  }
  // The sleeper goes on. It may destroy this alarm.
  void ring() {
    stop();
    sleeper_.resume();
  }
  Conversation& owner() const { return owner_; }

 private:
  Alarms& alarms_;
  Time due_;
  Conversation& owner_;
  std::coroutine_handle<> sleeper_;
  std::optional<Alarms::Place> place_;
};

// What co_await does with a task that is given only so long: its result, or nothing if the time has
// run out. The task is destroyed then, and with its frame everything it has opened.
template <class Result>
class Within {
 public:
  Within(Alarms& alarms, milliseconds limit, Conversation& owner, Task<Result> task)
      : alarm_(alarms, limit, owner), task_(std::move(task)) {}

  bool await_ready() const { return task_.has_ended(); }
  void await_suspend(std::coroutine_handle<> awaiter) {
    task_.await_suspend(awaiter);
    alarm_.set(awaiter);
  }
  std::optional<Result> await_resume() {
    alarm_.stop();
    if (task_.has_ended()) return task_.await_resume();
    task_ = Task<Result>();
    return std::nullopt;
  }

 private:
  Alarm alarm_;
  Task<Result> task_;
};

// -- one client's conversation; compare nonblocking/await_conversation.cpp --

class Conversation {
 public:
  Conversation(Descriptor client, Surroundings& surroundings, Alarms& alarms)
      : surroundings_(surroundings),
        alarms_(alarms),
        exchange_(surroundings.bench),
        client_(std::move(client)) {}

  std::optional<Wait> resume() noexcept;
  std::optional<Wait> expire() noexcept;
  std::optional<Wait> wake(Alarm& alarm) noexcept;
  Wait request_wait() const { return {client_.fd(), Until::readable}; }
  bool has_progressed() const { return progressed_; }
  bool is_for_backend(Wait wait) const { return wait.fd != client_.fd(); }

  // For the loop, which gets back from an alarm's owner to its entry in the list of clients.
  void* entry = nullptr;

 private:
  struct Over {};

  struct Park {
    Conversation* conversation;
    bool await_ready() const { return std::exchange(conversation->is_ready_, false); }
    void await_suspend(std::coroutine_handle<> innermost) const {
      conversation->parked_ = innermost;
    }
    bool await_resume() const { return conversation->in_time_; }
  };

  struct Sleep {
    Conversation& conversation;
    Alarm alarm;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> sleeper) {
      alarm.set(sleeper);
      conversation.fall_asleep();
    }
    void await_resume() const {}
  };

  Park readable(const Descriptor& descriptor) { return park({descriptor.fd(), Until::readable}); }
  Park writable(const Descriptor& descriptor) { return park({descriptor.fd(), Until::writable}); }
  Park park(Wait wait) {
    wait_ = wait;
    sleeps_ = false;
    return {this};
  }
  Sleep sleep_for(milliseconds time) { return {*this, {alarms_, time, *this}}; }
  void fall_asleep();
  std::optional<Wait> look_at_client() noexcept;

  Task<bool> write_answers();
  bool read_more(bool in_time);
  Task<bool> read_request();
  Task<Answer> ask_backend(std::string question, std::string& text);
  Task<Answer> find_answer(std::string_view path, std::string& text);
  Task<bool> answer_later();
  Task<Over> linger();
  Task<Over> converse();

  template <class Run>
  std::optional<Wait> take_turn(Run run) noexcept;
  void go_on(bool in_time);

  Surroundings& surroundings_;
  Alarms& alarms_;
  Exchange exchange_;
  Task<Over> body_;                 // empty until the client sends something
  std::coroutine_handle<> parked_;  // the innermost coroutine, unless it sleeps
  Wait wait_;                       // what it waits for
  Descriptor client_;
  bool is_ready_ = false;  // the next wait is over already, so there is no need to park
  bool in_time_ = true;    // the last wait ended because its descriptor was ready
  bool sleeps_ = false;    // it is we who take our time: the client's does not count
  bool progressed_ = false;
};

// Meanwhile its client is watched for one reason: it may be gone.
void Conversation::fall_asleep() {
  wait_ = request_wait();
  sleeps_ = true;
}

// The client of a sleeper has stirred. A reset means that nobody waits for the answer any more. To
// have sent more, or to have closed its sending side, means nothing yet, and is looked at when the
// sleep is over; to watch on would be to hear of it again and again.
std::optional<Wait> Conversation::look_at_client() noexcept {
  progressed_ = false;
  char byte = 0;
  const ssize_t count = recv(client_.fd(), &byte, 1, MSG_PEEK);
  if (count < 0 && !is_not_ready(errno) && errno != EINTR) return std::nullopt;
  if (count >= 0) wait_ = {};
  return wait_;
}

Task<bool> Conversation::write_answers() {
  while (exchange_.has_outgoing()) {
    const ssize_t count = send_some(client_.fd(), exchange_.outgoing());
    if (count < 0 && !is_not_ready(errno)) co_return false;
    progressed_ = progressed_ || count > 0;
    if (count > 0) exchange_.sent(static_cast<std::size_t>(count));
    const bool has_more = exchange_.next_request() != nullptr || exchange_.has_outgoing();
    if (!has_more) continue;
    const bool in_time = co_await writable(client_);
    if (!in_time) co_return false;
  }
  co_return true;
}

bool Conversation::read_more(bool in_time) {
  const bool was_silent = !exchange_.is_inside_request();
  if (!in_time) {
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
      const bool in_time = co_await park;
      if (!read_more(in_time)) co_return false;
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
Task<Answer> Conversation::ask_backend(std::string question, std::string& text) {
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
    const bool in_time = co_await writable(backend);
    if (!in_time) co_return row_failure(504);
  }
  for (;;) {
    const bool in_time = co_await readable(backend);
    if (!in_time) co_return row_failure(504);
    const std::span<char> room = exchange_.room();
    const ssize_t count = receive(backend.fd(), room);
    if (count < 0 && is_not_ready(errno)) continue;
    if (count < 0) co_return row_failure(502);
    text.append(room.data(), static_cast<std::size_t>(count));
    if (const auto answer = relay_row(text, count == 0)) co_return *answer;
  }
}

// The path and the text must live until this has ended.
Task<Answer> Conversation::find_answer(std::string_view path, std::string& text) {
  if (take_prefix(path, "/sleep/")) {
    const auto time = read_time(path);
    if (!time) co_return not_a_time();
    co_await sleep_for(*time);
    text = "slept " + std::to_string(time->count()) + " ms\n";
    co_return Answer{.text = text};
  }
  if (take_prefix(path, "/within/")) {
    const std::size_t end = path.find('/');
    const auto limit = read_time(path.substr(0, end));
    if (!limit || end == std::string_view::npos) co_return not_a_time();
    Within<Answer> within(alarms_, *limit, *this, find_answer(path.substr(end), text));
    const std::optional<Answer> answer = co_await within;
    co_return answer ? *answer : out_of_time();
  }
  const Request request{.target = path};
  if (!asks_backend(request)) co_return answer_to(request);
  const Answer row = co_await ask_backend(backend_request(request), text);
  co_return row;
}

Task<bool> Conversation::answer_later() {
  const std::string path(exchange_.request().target);
  const bool is_there = co_await write_answers();  // who is answered need not wait for this one
  if (!is_there) co_return false;
  std::string text;
  const Answer answer = co_await find_answer(path, text);
  exchange_.next_request();  // the waits have cleared the bench: here it is again
  exchange_.answer(answer);
  co_return true;
}

// -- from the first request to the last --

Task<Conversation::Over> Conversation::linger() {
  if (shutdown(client_.fd(), SHUT_WR) < 0) co_return Over{};
  constexpr int most_turns = 64;
  for (int i = 0; i < most_turns; ++i) {
    const bool stops = stop_requested();
    if (!stops) {
      const bool in_time = co_await readable(client_);
      if (!in_time) break;
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
  if (sleeps_) return look_at_client();
  return take_turn([this] { go_on(/*in_time=*/true); });
}

std::optional<Wait> Conversation::expire() noexcept {
  progressed_ = false;
  if (sleeps_) return wait_;
  if (!parked_) return std::nullopt;
  return take_turn([this] { go_on(/*in_time=*/false); });
}

std::optional<Wait> Conversation::wake(Alarm& alarm) noexcept {
  return take_turn([this, &alarm] {
    parked_ = {};  // whoever that was may be destroyed by whoever wakes up now
    alarm.ring();
  });
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
std::optional<Wait> Conversation::take_turn(Run run) noexcept try {
  progressed_ = false;
  exchange_.take_up();
  run();
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
    return earlier(earlier(clients_.next_due(), acceptor_.resumes_at(now_)), alarms_.next_due());
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
    Conversation conversation(std::move(socket), surroundings_, alarms_);
    const Wait wait = conversation.request_wait();
    Client& client = clients_.add(std::move(conversation), wait, now_);
    client.conversation.entry = &client;
    if (queue_.watch(wait, &client)) return;
    clients_.remove(client);
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
    while (Alarm* alarm = alarms_.first_due(now_)) {
      Client& client = *static_cast<Client*>(alarm->owner().entry);
      before_turn(client);
      after_turn(client, client.conversation.wake(*alarm));
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
      clients_.remove(client);
    } else if (client.conversation.has_progressed()) {
      clients_.renew(client, now_);
    }
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
  Alarms alarms_;
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
