// A correct server written another way: two event loops, each on a thread of its own, which share
// the listener, and six threads that do for both what takes long: they compute, and they ask the
// backend with calls that park.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "common/acceptor.hpp"
#include "common/clients.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "common/site.hpp"
#include "common/surroundings.hpp"
#include "nonblocking/ready_queue.hpp"

namespace {

constexpr const char* purpose = "An exercise: ten thousand clients.";

class Loop;

// An answer that takes long.
struct Job {
  Loop* loop = nullptr;
  void* client = nullptr;
  std::string target;
  std::string question;  // for the backend; empty: to be computed
  std::string text = {};
  Answer answer = {};  // its text is in `text`
};

// -- the threads for what takes long --

class Crew {
 public:
  explicit Crew(const Options& options)
      : backend_port_(options.backend_port), patience_(options.idle_limit) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    job_came_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void put(std::unique_ptr<Job> job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    job_came_.notify_one();
  }

 private:
  static constexpr int count = 6;

  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      job_came_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      std::unique_ptr<Job> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      do_it(*job);
      give_back(std::move(job));
    }
  }

  void do_it(Job& job) const {
    if (!job.question.empty()) {
      job.answer = ask_backend(job);
      return;
    }
    const Answer computed = answer_to({.target = job.target});
    job.text = computed.text;
    job.answer = {.status = computed.status, .text = job.text};
  }

  Answer ask_backend(Job& job) const {
    const Descriptor backend = connect_blocking(backend_port_, patience_);
    if (!backend) return row_failure(is_exhaustion(errno) ? 503 : 502);
    if (!set_patience(backend.fd(), patience_)) return row_failure(502);
    for (std::string_view unasked = job.question; !unasked.empty();) {
      const ssize_t sent = send_some(backend.fd(), unasked);
      if (sent < 0) return row_failure(is_not_ready(errno) ? 504 : 502);
      unasked.remove_prefix(static_cast<std::size_t>(sent));
    }
    for (;;) {
      char room[4096];
      const ssize_t received = receive(backend.fd(), room);
      if (received < 0) return row_failure(is_not_ready(errno) ? 504 : 502);
      job.text.append(room, static_cast<std::size_t>(received));
      if (const auto answer = relay_row(job.text, received == 0)) return *answer;
    }
  }

  static void give_back(std::unique_ptr<Job> job);

  const std::uint16_t backend_port_;
  const Seconds patience_;
  std::mutex mutex_;
  std::condition_variable job_came_;
  std::deque<std::unique_ptr<Job>> jobs_;  // guarded by mutex_
  bool ending_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

// -- a loop; nobody else touches its clients --

struct Connection {
  Descriptor socket;
  Exchange exchange;
  bool is_awaited = false;  // somebody of the crew has its request
};

class Loop {
 public:
  Loop(const Options& options, Descriptor listener, int stop, Crew& crew)
      : stop_wait_{stop, Until::readable},
        acceptor_(std::move(listener), Blocking::no),
        surroundings_(options.backend_port),
        clients_(options.idle_limit),
        crew_(crew) {
    if (pipe(wake_up_) < 0) throw CallFailed("pipe", errno);
    for (const int end : wake_up_) {
      set_nonblocking(end);
      if (fcntl(end, F_SETFD, FD_CLOEXEC) < 0) throw CallFailed("fcntl(F_SETFD)", errno, end);
    }
    for (const Wait wait : {stop_wait_, Wait{wake_up_[0], Until::readable}})
      if (!queue_.watch(wait, nullptr)) throw CallFailed("watch", errno, wait.fd);
    start_accepting();
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    for (const int end : wake_up_) close(end);
  }

  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto deadline = earlier(clients_.next_due(), acceptor_.resumes_at(now_));
      const auto ready = queue_.wait(milliseconds_until(deadline, Clock::now()));
      now_ = Clock::now();
      Counters::count(counters.wakeups);
      for (void* owner : ready) {
        if (owner == &acceptor_)
          accept_clients();
        else if (owner != nullptr)
          serve(*static_cast<Client*>(owner));
      }
      finish_jobs();
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (stop_requested() && !acceptor_.is_closed()) stop();
    }
  }

  // From a thread of the crew.
  void take_back(std::unique_ptr<Job> job) {
    const std::lock_guard lock(mutex_);
    done_.push_back(std::move(job));
    // EAGAIN: the pipe is full, so there is plenty to wake the loop already.
    [[maybe_unused]] const ssize_t written = write(wake_up_[1], "", 1);
  }

 private:
  using Client = Clients<Connection, Wait>::Client;

  // -- clients come --

  void start_accepting() {
    is_accepting_ = queue_.watch({acceptor_.fd(), Until::readable}, &acceptor_);
    if (!is_accepting_) acceptor_.pause(now_);
  }

  void stop_accepting() {
    if (is_accepting_) queue_.forget({acceptor_.fd(), Until::readable});
    is_accepting_ = false;
  }

  // A few only: the other loop is awake as well, and takes the next ones.
  void accept_clients() {
    for (int i = 0; i < most_accepted_at_once; ++i) {
      Descriptor socket = acceptor_.next_client(now_);
      if (!socket) break;
      welcome(std::move(socket));
    }
    if (!acceptor_.is_accepting(now_)) stop_accepting();
  }

  void welcome(Descriptor socket) try {
    const Wait wait{socket.fd(), Until::readable};
    Client& client = clients_.add({std::move(socket), Exchange(surroundings_.bench)}, wait, now_);
    if (!queue_.watch(wait, &client)) clients_.remove(client);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- one client's turn --

  void serve(Client& client) try {
    Exchange& exchange = client.conversation.exchange;
    exchange.take_up();
    after_turn(client, exchange.has_outgoing() ? answer_requests(client) : read(client));
  } catch (const std::bad_alloc&) {
    end(client);
  }

  bool read(Client& client) {
    Exchange& exchange = client.conversation.exchange;
    const bool was_silent = !exchange.is_inside_request();
    const ssize_t count = receive(client.conversation.socket.fd(), exchange.room());
    if (count < 0 && is_not_ready(errno)) return !stop_requested();
    if (count <= 0) return false;
    if (was_silent) clients_.renew(client, now_);
    exchange.received(static_cast<std::size_t>(count));
    return answer_requests(client);
  }

  // False when the conversation is over.
  bool answer_requests(Client& client) {
    Exchange& exchange = client.conversation.exchange;
    for (;;) {
      bool takes_long = false;
      while (const Request* request = exchange.next_request()) {
        clients_.renew(client, now_);
        const bool asks = asks_backend(*request);
        takes_long =
            request->target.starts_with("/spin/") || (asks && surroundings_.backend_port != 0);
        if (takes_long) break;
        exchange.answer(asks ? no_backend() : answer_to(*request));
      }
      if (!exchange.has_outgoing()) {
        if (takes_long) start_job(client);
        return takes_long || (!exchange.is_closing() && !stop_requested());
      }
      const ssize_t count = send_some(client.conversation.socket.fd(), exchange.outgoing());
      if (count < 0) return is_not_ready(errno);
      clients_.renew(client, now_);
      exchange.sent(static_cast<std::size_t>(count));
      if (exchange.has_outgoing()) return true;
    }
  }

  // Nobody watches the client until its job is done.
  void start_job(Client& client) {
    const Request& request = client.conversation.exchange.request();
    auto job = std::make_unique<Job>();
    job->loop = this;
    job->client = &client;
    job->target = request.target;
    if (asks_backend(request)) job->question = backend_request(request);
    crew_.put(std::move(job));
    client.conversation.is_awaited = true;
  }

  void finish_jobs() {
    for (const std::unique_ptr<Job>& job : take_done()) {
      Client& client = *static_cast<Client*>(job->client);
      client.conversation.is_awaited = false;
      Exchange& exchange = client.conversation.exchange;
      exchange.take_up();
      exchange.next_request();  // while it was worked on it stayed the next one
      exchange.answer(job->answer);
      clients_.renew(client, now_);
      after_turn(client, answer_requests(client));
    }
  }

  std::deque<std::unique_ptr<Job>> take_done() {
    char bytes[64];
    while (::read(wake_up_[0], bytes, sizeof bytes) > 0) {
    }
    const std::lock_guard lock(mutex_);
    return std::exchange(done_, {});
  }

  void after_turn(Client& client, bool goes_on) {
    Connection& connection = client.conversation;
    const bool must_write = connection.exchange.has_outgoing();
    connection.exchange.stow();
    const int fd = connection.is_awaited ? -1 : connection.socket.fd();
    const Wait wait{fd, must_write ? Until::writable : Until::readable};
    if (!goes_on || !watch(client, wait)) end(client);
  }

  bool watch(Client& client, Wait wait) {
    const Wait old_wait = client.note;
    if (wait == old_wait) return true;
    client.note = wait;
    if (wait.fd < 0) {
      if (old_wait.fd >= 0) queue_.forget(old_wait);
      return true;
    }
    return old_wait.fd < 0 ? queue_.watch(wait, &client) : queue_.change(old_wait, wait, &client);
  }

  void end(Client& client) {
    if (client.note.fd >= 0) queue_.forget(client.note);
    clients_.remove(client);
  }

  // -- time, and the end --

  void expire_clients() {
    while (Client* client = clients_.first_due(now_)) {
      Connection& connection = client->conversation;
      clients_.renew(*client, now_);
      if (connection.is_awaited) continue;  // it is we who are slow
      connection.exchange.take_up();
      if (!connection.exchange.has_outgoing() && connection.exchange.is_inside_request()) {
        connection.exchange.refuse(408);
        (void)send_some(connection.socket.fd(), connection.exchange.outgoing());
      }
      end(*client);
    }
  }

  void stop() {
    stop_accepting();
    acceptor_.close();
    queue_.forget(stop_wait_);
    clients_.for_each([this](Client& client) {
      if (client.note.fd >= 0 && client.note.until == Until::readable) serve(client);
    });
  }

  static constexpr int most_accepted_at_once = 8;

  const Wait stop_wait_;
  int wake_up_[2];
  ReadyQueue queue_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
  Surroundings surroundings_;
  Clients<Connection, Wait> clients_;
  Crew& crew_;
  std::mutex mutex_;
  std::deque<std::unique_ptr<Job>> done_;  // guarded by mutex_
  Time now_ = Clock::now();
};

void Crew::give_back(std::unique_ptr<Job> job) {
  Loop& loop = *job->loop;
  loop.take_back(std::move(job));
}

Descriptor copy_of(const Descriptor& listener) {
  Descriptor copy(fcntl(listener.fd(), F_DUPFD_CLOEXEC, 0));
  if (!copy) throw CallFailed("fcntl(F_DUPFD_CLOEXEC)", errno, listener.fd());
  return copy;
}

// A loop that fails ends the program, as it would alone.
void run_server(int argc, char** argv) {
  const Options options = read_options(argc, argv, "apbth", purpose);
  Descriptor listener = open_listener(options);
  const int stop = install_signal_handlers();
  Crew crew(options);
  Loop other(options, copy_of(listener), stop, crew);
  const int its_fd = listener.fd();
  Loop loop(options, std::move(listener), stop, crew);
  announce(its_fd);
  std::thread thread([&other] { other.run(); });
  loop.run();
  thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
