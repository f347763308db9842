// c10k, one design of many: one thread waits for all clients, and to compute is one more thing to
// wait for. A client has a coroutine only while something is unfinished; when it is silent, a
// socket and a place in a list are all that is kept of it.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
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

constexpr const char* purpose = "An exercise: ten thousand clients.";

class Conversation;

// -- computing, which is left to threads --

// One answer to compute. It lives in the frame of the coroutine that waits for it.
struct Job {
  std::string target;
  Conversation* owner = nullptr;
  std::coroutine_handle<> waiting = {};
  std::string text = {};
  int status = 0;
};

// A few threads, and a pipe that wakes the loop when one of them has done something.
class Workers {
 public:
  Workers() {
    open_pipe(wake_up_);
    for (const int end : wake_up_) set_nonblocking(end);
    for (int i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    job_came_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    for (const int end : wake_up_) close(end);
  }

  Wait wake_up() const { return {wake_up_[0], Until::readable}; }

  void put(Job& job) {
    const std::lock_guard lock(mutex_);
    to_do_.push_back(&job);
    job_came_.notify_one();
  }

  std::deque<Job*> take_done() {
    char bytes[64];
    while (read(wake_up_[0], bytes, sizeof bytes) > 0) {
    }
    const std::lock_guard lock(mutex_);
    return std::exchange(done_, {});
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      job_came_.wait(lock, [this] { return ending_ || !to_do_.empty(); });
      if (to_do_.empty()) return;
      Job& job = *to_do_.front();
      to_do_.pop_front();
      lock.unlock();
      const Answer answer = answer_to({.target = job.target});
      job.text = answer.text;
      job.status = answer.status;
      lock.lock();
      done_.push_back(&job);
      // EAGAIN: the pipe is full, so there is plenty to wake the loop already.
      [[maybe_unused]] const ssize_t written = write(wake_up_[1], "", 1);
    }
  }

  static constexpr int count = 4;

  int wake_up_[2];
  std::mutex mutex_;
  std::condition_variable job_came_;
  std::deque<Job*> to_do_;  // guarded by mutex_
  std::deque<Job*> done_;   // guarded by mutex_
  bool ending_ = false;     // guarded by mutex_
  std::vector<std::thread> threads_;
};

// -- one client's conversation; compare nonblocking/await_conversation.cpp --

class Conversation {
 public:
  Conversation(Descriptor client, Surroundings& surroundings, Workers& workers)
      : surroundings_(surroundings),
        workers_(workers),
        exchange_(surroundings.bench),
        client_(std::move(client)) {}

  std::optional<Wait> resume() noexcept;
  std::optional<Wait> expire() noexcept;
  std::optional<Wait> go_on_after(Job& job) noexcept;
  Wait request_wait() const { return {client_.fd(), Until::readable}; }
  bool has_progressed() const { return progressed_; }
  bool is_for_backend(Wait wait) const { return wait.fd != client_.fd(); }

  // For the loop, which gets back from a job's owner to its entry in the list of clients.
  void* entry = nullptr;

 private:
  // What comes after a coroutine's end.
  enum class Then { silence, the_end };

  struct Park {
    Conversation* conversation;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> innermost) const {
      conversation->parked_ = innermost;
    }
    bool await_resume() const { return conversation->in_time_; }
  };

  // Nobody looks at the client meanwhile, and its time does not count: it is we who are slow.
  struct Computing {
    Conversation& conversation;
    Job& job;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const {
      job.owner = &conversation;
      job.waiting = waiting;
      conversation.wait_ = {};
      conversation.workers_.put(job);
    }
    void await_resume() const {}
  };

  Park readable(const Descriptor& descriptor) { return park({descriptor.fd(), Until::readable}); }
  Park writable(const Descriptor& descriptor) { return park({descriptor.fd(), Until::writable}); }
  Park park(Wait wait) {
    wait_ = wait;
    return {this};
  }

  Task<bool> write_answers();
  bool read_more(bool in_time);
  Task<Answer> ask_backend(std::string question, std::string& text);
  Task<Answer> find_answer(const Request& request, std::string& text);
  Task<bool> answer_later();
  Task<Then> linger();
  Task<Then> converse();

  template <class Run>
  std::optional<Wait> take_turn(Run run) noexcept;
  void go_on(bool in_time);

  Surroundings& surroundings_;
  Workers& workers_;
  Exchange exchange_;
  Task<Then> body_;                 // while the client is not silent
  std::coroutine_handle<> parked_;  // its innermost coroutine, unless that waits for a job
  Wait wait_;                       // what that waits for
  Descriptor client_;
  bool is_silent_ = true;
  bool in_time_ = true;  // the last wait ended because its descriptor was ready
  bool progressed_ = false;
};

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

// -- answers that have to be waited for --

bool computes(const Request& request) {
  return request.target.starts_with("/spin/");
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

// The request and the text must live until this has ended.
Task<Answer> Conversation::find_answer(const Request& request, std::string& text) {
  if (computes(request)) {
    Job job{.target = std::string(request.target)};
    const Computing computing{*this, job};
    co_await computing;
    text = std::move(job.text);
    co_return Answer{.status = job.status, .text = text};
  }
  const Answer row = co_await ask_backend(backend_request(request), text);
  co_return row;
}

Task<bool> Conversation::answer_later() {
  const std::string target(exchange_.request().target);
  const bool is_there = co_await write_answers();  // who is answered need not wait for this one
  if (!is_there) co_return false;
  const Request request{.target = target};
  std::string text;
  const Answer answer = co_await find_answer(request, text);
  exchange_.next_request();  // the waits have cleared the bench: here it is again
  exchange_.answer(answer);
  co_return true;
}

// -- from the first request to the last --

// Reads what the client still sends, so that the last answer is not overtaken by a reset.
Task<Conversation::Then> Conversation::linger() {
  if (shutdown(client_.fd(), SHUT_WR) < 0) co_return Then::the_end;
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
  co_return Then::the_end;
}

// From the first byte that has come to the moment at which there is nothing left to remember.
Task<Conversation::Then> Conversation::converse() {
  if (!read_more(/*in_time=*/true)) co_return Then::the_end;
  for (;;) {
    while (const Request* request = exchange_.next_request()) {
      progressed_ = true;
      if (asks_backend(*request) || computes(*request)) {
        const bool is_there = co_await answer_later();
        if (!is_there) co_return Then::the_end;
      } else {
        exchange_.answer(answer_to(*request));
      }
    }
    if (exchange_.has_outgoing()) {
      const bool is_there = co_await write_answers();
      if (!is_there) co_return Then::the_end;
    } else if (exchange_.is_closing()) {
      break;
    } else {
      const bool stops = stop_requested();
      if (!exchange_.is_inside_request() && !stops) co_return Then::silence;
      // After a stop, a last look at what has come: to close over it would reset the connection.
      const Park park = stops ? writable(client_) : readable(client_);
      const bool in_time = co_await park;
      if (!read_more(in_time)) co_return Then::the_end;
    }
  }
  if (!exchange_.should_linger()) co_return Then::the_end;
  const Then end = co_await linger();
  co_return end;
}

// -- as the loop sees it --

std::optional<Wait> Conversation::resume() noexcept {
  return take_turn([this] { go_on(/*in_time=*/true); });
}

std::optional<Wait> Conversation::expire() noexcept {
  progressed_ = false;
  if (is_silent_) return std::nullopt;
  if (wait_.fd < 0) return wait_;
  return take_turn([this] { go_on(/*in_time=*/false); });
}

std::optional<Wait> Conversation::go_on_after(Job& job) noexcept {
  return take_turn([&job] { job.waiting.resume(); });
}

void Conversation::go_on(bool in_time) {
  if (is_silent_) {
    is_silent_ = false;
    body_ = converse();
  } else {
    in_time_ = in_time;
    std::exchange(parked_, {}).resume();
  }
}

template <class Run>
std::optional<Wait> Conversation::take_turn(Run run) noexcept try {
  progressed_ = false;
  exchange_.take_up();
  run();
  if (body_.has_ended()) {
    if (body_.await_resume() == Then::the_end) return std::nullopt;
    body_ = {};
    is_silent_ = true;
    wait_ = request_wait();
  }
  Counters::count(counters.waits);
  exchange_.stow();
  return wait_;
} catch (const std::bad_alloc&) {
  return std::nullopt;
}

// -- the loop; compare nonblocking/event_loop.hpp --

class ClientLoop {
 public:
  explicit ClientLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no),
        surroundings_(options.backend_port),
        clients_(options.idle_limit) {
    if (!queue_.watch(stop_wait_, nullptr)) throw CallFailed("watch", errno, stop_wait_.fd);
    if (!queue_.watch(workers_.wake_up(), &workers_))
      throw CallFailed("watch", errno, workers_.wake_up().fd);
    start_accepting();
    if (!is_accepting_) throw CallFailed("watch", errno, acceptor_.fd());
    announce(acceptor_.fd());
  }

  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto deadline = earlier(clients_.next_due(), acceptor_.resumes_at(now_));
      const auto ready = queue_.wait(milliseconds_until(deadline, Clock::now()));
      now_ = Clock::now();
      Counters::count(counters.wakeups);
      bool has_jobs_done = false;
      for (void* owner : ready) {
        if (owner == &acceptor_)
          accept_clients();
        else if (owner == &workers_)
          has_jobs_done = true;
        else if (owner != nullptr)
          resume(*static_cast<Client*>(owner));
      }
      if (has_jobs_done) finish_jobs();
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (stop_requested() && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = Clients<Conversation, Wait>::Client;

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
    Conversation conversation(std::move(socket), surroundings_, workers_);
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

  void finish_jobs() {
    for (Job* job : workers_.take_done()) {
      Client& client = *static_cast<Client*>(job->owner->entry);
      after_turn(client, client.conversation.go_on_after(*job));
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

  // Who has its answer computed waits for no descriptor.
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
  Workers workers_;  // the last: its threads end before the frames that they write into
  Time now_ = Clock::now();
};

void run_server(int argc, char** argv) {
  ClientLoop loop(read_options(argc, argv, "apbth", purpose));
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
