// c10k, one design of many: one thread waits for all clients, and to compute is one more thing to
// wait for. A client has a coroutine only while something is unfinished; when it is silent, a
// socket and a place in a list are all that is kept of it.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

constexpr const char* purpose = "An exercise: ten thousand clients.";

class Conversation;

// -- computing, which is left to threads --

// One response to compute. It lives in the frame of the coroutine that waits for it.
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

  Wait wake_up() const { return {wake_up_[0], Interest::readable}; }

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
      const Response response = handle({.target = job.target});
      job.text = response.text;
      job.status = response.status;
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
  Conversation(Descriptor client, Context& context, Workers& workers)
      : context_(context), workers_(workers), codec_(context), client_(std::move(client)) {}

  Turn resume() noexcept;
  Turn expire() noexcept;
  Turn go_on_after(Job& job) noexcept;

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

  Park readable(const Descriptor& descriptor) {
    return park({descriptor.fd(), Interest::readable});
  }
  Park writable(const Descriptor& descriptor) {
    return park({descriptor.fd(), Interest::writable});
  }
  // While draining, only a look at what has come: to close over it would reset the connection.
  Park more() { return context_.draining ? writable(client_) : readable(client_); }
  Park park(Wait wait) {
    wait_ = wait;
    return {this};
  }

  bool read_more(bool in_time);
  bool answer_requests();
  bool send_responses();
  Task<Response> ask_backend(Request request, std::string& text);
  Task<Response> find_response(Request request, std::string& text);
  Task<bool> respond_later();
  Task<Then> linger();
  Task<Then> converse();

  template <class Run>
  Turn take_turn(Run run) noexcept;
  void go_on(bool in_time);
  bool is_at_backend() const { return wait_.fd >= 0 && wait_.fd != client_.fd(); }

  Context& context_;
  Workers& workers_;
  HttpCodec codec_;
  Task<Then> body_;                 // while the client is not silent
  std::coroutine_handle<> parked_;  // its innermost coroutine, unless that waits for a job
  Wait wait_;                       // what that waits for
  Descriptor client_;
  bool is_silent_ = true;
  bool in_time_ = true;  // the last wait ended because its descriptor was ready
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

bool computes(const Request& request) {
  return request.target.starts_with("/spin/");
}

// True if the response to the next request has to be waited for.
bool Conversation::answer_requests() {
  while (const std::optional<Request> request = codec_.next_request()) {
    progress_ = Progress::new_time;
    if (computes(*request)) return true;
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

Task<Response> Conversation::find_response(Request request, std::string& text) {
  if (computes(request)) {
    Job job{.target = std::string(request.target)};
    const Computing computing{*this, job};
    co_await computing;
    text = std::move(job.text);
    co_return Response{.status = job.status, .text = text};
  }
  const Response response = co_await ask_backend(request, text);
  co_return response;
}

Task<bool> Conversation::respond_later() {
  const std::optional<Request> request = codec_.next_request();
  if (!request) co_return false;  // never: it is the one that answer_requests() has met
  std::string text;
  const Response response = co_await find_response(*request, text);
  progress_ = Progress::new_time;
  codec_.respond(*request, response);
  co_return true;
}

// -- from the first request to the last --

// Reads what the client still sends, so that the last response is not overtaken by a reset.
Task<Conversation::Then> Conversation::linger() {
  if (shutdown(client_.fd(), SHUT_WR) < 0) co_return Then::the_end;
  for (;;) {
    const ssize_t count = receive(client_.fd(), codec_.room());
    const bool may_come = count < 0 && is_not_ready(errno) && !context_.draining;
    const bool has_come = codec_.discard(count);
    if (!may_come && !has_come) break;
    const bool in_time = co_await more();
    if (!in_time) break;
  }
  co_return Then::the_end;
}

// From the first byte that has come to the moment at which there is nothing left to remember.
Task<Conversation::Then> Conversation::converse() {
  bool goes_on = read_more(/*in_time=*/true);
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
    } else if (!codec_.is_inside_request() && !context_.draining) {
      co_return Then::silence;
    } else {
      goes_on = co_await more();
      goes_on = read_more(goes_on);
    }
  }
  if (codec_.should_linger()) co_await linger();
  co_return Then::the_end;
}

// -- as the loop sees it --

Turn Conversation::resume() noexcept {
  return take_turn([this] { go_on(/*in_time=*/true); });
}

Turn Conversation::expire() noexcept {
  if (is_silent_) return {};
  if (wait_ == Wait()) return {.wait = wait_};
  return take_turn([this] { go_on(/*in_time=*/false); });
}

Turn Conversation::go_on_after(Job& job) noexcept {
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
Turn Conversation::take_turn(Run run) noexcept try {
  progress_ = Progress::none;
  const bool was_at_backend = is_at_backend();
  run();
  if (body_.has_ended()) {
    if (body_.await_resume() == Then::the_end) return {.closed = was_at_backend};
    body_ = {};
    is_silent_ = true;
    wait_ = {client_.fd(), Interest::readable};
  }
  Counters::count(context_.counters.waits);
  return {.wait = wait_, .progress = progress_, .closed = was_at_backend && !is_at_backend()};
} catch (const std::bad_alloc&) {
  return {};
}

// -- the loop; compare nonblocking/event_loop.hpp --

class ClientLoop {
 public:
  explicit ClientLoop(const Options& options)
      : context_{handle, signals_.stop_requested(), counters_, options.backend_port},
        acceptor_(open_listener(options), Blocking::no),
        clients_(options.idle_limit, counters_) {
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
      Counters::count(counters_.wakeups);
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
    Client& client = clients_.add(Conversation(std::move(socket), context_, workers_), wait, now_);
    client.conversation.entry = &client;
    if (queue_.watch(wait, &client)) return;
    clients_.remove(client);
    acceptor_.pause(now_);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- clients go on --

  void resume(Client& client) { after_turn(client, client.conversation.resume()); }

  void finish_jobs() {
    for (Job* job : workers_.take_done()) {
      Client& client = *static_cast<Client*>(job->owner->entry);
      after_turn(client, client.conversation.go_on_after(*job));
    }
  }

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

  // Who has its response computed waits for no descriptor.
  bool watch(Client& client, Wait wait) {
    const Wait old = std::exchange(client.registration, wait);
    if (wait == old) return true;
    if (wait.fd == old.fd) return queue_.change(old, wait, &client);
    if (old != Wait()) queue_.forget(old);
    return wait == Wait() || queue_.watch(wait, &client);
  }

  // -- the end --

  void stop() {
    stop_accepting();
    acceptor_.close();
    queue_.forget(stop_wait_);
    clients_.for_each([this](Client& client) {
      if (client.registration != Wait()) resume(client);
    });
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
