// A correct server written another way: three workers with a queue each, to whom the loop deals the
// jobs in turn, and a pipe through which the jobs themselves come back.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
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

constexpr const char* purpose = "An exercise: an event loop that leaves the computing to threads.";

// Threads that compute, each with a queue and a condition of its own; jobs are dealt out in turn.
// What is done comes back through the pipe itself, a pointer at a time: POSIX writes no half of it.
class Workers {
 public:
  struct Job {
    void* owner;
    std::string target;
    std::string text = {};  // the answer, made by a worker
    int status = 0;
  };

  Workers() {
    if (pipe(done_) < 0) throw CallFailed("pipe", errno);
    set_nonblocking(done_[0]);  // the other end may block: a worker has nothing else to do
    for (const int end : done_)
      if (fcntl(end, F_SETFD, FD_CLOEXEC) < 0) throw CallFailed("fcntl(F_SETFD)", errno, end);
    for (Worker& worker : workers_) worker.thread = std::thread([this, &worker] { work(worker); });
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() {
    for (Worker& worker : workers_) put_to(worker, nullptr);
    for (Worker& worker : workers_) worker.thread.join();
    take_done();
    for (const int end : done_) close(end);
  }

  int wake_up_descriptor() const { return done_[0]; }

  void put(Job job) { put_to(workers_[next_++ % count], std::make_unique<Job>(std::move(job))); }

  // At most as many as one read brings: what is left wakes the loop again.
  std::vector<std::unique_ptr<Job>> take_done() {
    std::array<Job*, 64> jobs;
    const ssize_t bytes = read(done_[0], jobs.data(), sizeof jobs);
    const std::size_t many = bytes > 0 ? static_cast<std::size_t>(bytes) / sizeof(Job*) : 0;
    std::vector<std::unique_ptr<Job>> all;
    for (std::size_t i = 0; i < many; ++i) all.emplace_back(jobs[i]);
    return all;
  }

 private:
  static constexpr std::size_t count = 3;

  struct Worker {
    std::mutex mutex;
    std::condition_variable job_came;
    std::deque<std::unique_ptr<Job>> jobs;  // guarded by mutex; nullptr: no more will come
    std::thread thread;
  };

  static void put_to(Worker& worker, std::unique_ptr<Job> job) {
    const std::lock_guard lock(worker.mutex);
    worker.jobs.push_back(std::move(job));
    worker.job_came.notify_one();
  }

  static std::unique_ptr<Job> next_job(Worker& worker) {
    std::unique_lock lock(worker.mutex);
    worker.job_came.wait(lock, [&worker] { return !worker.jobs.empty(); });
    std::unique_ptr<Job> job = std::move(worker.jobs.front());
    worker.jobs.pop_front();
    return job;
  }

  void work(Worker& worker) const {
    while (std::unique_ptr<Job> job = next_job(worker)) {
      const Answer answer = answer_to({.target = job->target});
      job->text = answer.text;
      job->status = answer.status;
      Job* const finished = job.release();
      while (write(done_[1], &finished, sizeof finished) < 0 && errno == EINTR) {
      }
    }
  }

  int done_[2];
  std::array<Worker, count> workers_;
  std::size_t next_ = 0;
};

struct Connection {
  Descriptor socket;
  Exchange exchange;
  bool is_computing = false;
};

class OffloadLoop {
 public:
  explicit OffloadLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no),
        surroundings_(0),
        clients_(options.idle_limit) {
    if (!queue_.watch(stop_wait_, &stop_wait_)) throw CallFailed("watch", errno, stop_wait_.fd);
    if (!queue_.watch({workers_.wake_up_descriptor(), Until::readable}, &workers_))
      throw CallFailed("watch", errno, workers_.wake_up_descriptor());
    start_accepting();
    announce(acceptor_.fd());
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
        else if (owner != &stop_wait_ && owner != &workers_)
          serve(*static_cast<Client*>(owner));
      }
      finish_jobs();
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (stop_requested() && !acceptor_.is_closed()) stop();
    }
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
      bool must_compute = false;
      while (const Request* request = exchange.next_request()) {
        clients_.renew(client, now_);
        must_compute = request->target.starts_with("/spin/");
        if (must_compute) break;
        exchange.answer(asks_backend(*request) ? no_backend() : answer_to(*request));
      }
      if (!exchange.has_outgoing()) {
        if (must_compute) start_job(client);
        return must_compute || (!exchange.is_closing() && !stop_requested());
      }
      const ssize_t count = send_some(client.conversation.socket.fd(), exchange.outgoing());
      if (count < 0) return is_not_ready(errno);
      clients_.renew(client, now_);
      exchange.sent(static_cast<std::size_t>(count));
      if (exchange.has_outgoing()) return true;
    }
  }

  // Who has its answer computed is not watched, as a client whose answer waits is not read.
  void start_job(Client& client) {
    workers_.put({&client, std::string(client.conversation.exchange.request().target)});
    client.conversation.is_computing = true;
  }

  void finish_jobs() {
    for (const auto& job : workers_.take_done()) {
      Client& client = *static_cast<Client*>(job->owner);
      client.conversation.is_computing = false;
      Exchange& exchange = client.conversation.exchange;
      exchange.take_up();
      exchange.next_request();  // while it was computed it stayed the next one: here it is again
      exchange.answer({.status = job->status, .text = job->text});
      clients_.renew(client, now_);
      after_turn(client, answer_requests(client));
    }
  }

  void after_turn(Client& client, bool goes_on) {
    Connection& connection = client.conversation;
    const bool must_write = connection.exchange.has_outgoing();
    connection.exchange.stow();
    const int fd = connection.is_computing ? -1 : connection.socket.fd();
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
      if (connection.is_computing) continue;  // it is we who are slow
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

  static constexpr int most_accepted_at_once = 64;

  Wait stop_wait_{install_signal_handlers(), Until::readable};
  ReadyQueue queue_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
  Surroundings surroundings_;
  Clients<Connection, Wait> clients_;
  Workers workers_;
  Time now_ = Clock::now();
};

void run_server(int argc, char** argv) {
  OffloadLoop loop(read_options(argc, argv, "apbth", purpose));
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
