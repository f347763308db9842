// thread_limit, otherwise: one baton for the crew. Whoever has it waits in poll(2) for the next
// client, takes it, hands the baton on and serves. The main thread looks after signals, in
// sigsuspend(2), and takes the baton itself when a stop is asked for.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "blocking/straight_line.hpp"
#include "common/acceptor.hpp"
#include "common/counters.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

namespace {

constexpr const char* purpose = "An exercise: -n threads, made once, serve all clients.";

class Semaphore {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    while (count_ == 0) changed_.wait(lock);
    --count_;
  }
  void post() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned count_ = 0;
};

class Server {
 public:
  explicit Server(const Options& options)
      : options_(options), acceptor_(open_listener(options), Blocking::yes) {
    sigset_t ours;
    sigemptyset(&ours);
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&ours, signal);
    pthread_sigmask(SIG_BLOCK, &ours, &usual_mask_);  // the crew inherits it
    hire();
    try {
      announce(acceptor_.fd());
    } catch (...) {
      dismiss();
      throw;
    }
    baton_.post();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void run() {
    sigset_t mask = usual_mask_;
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigdelset(&mask, signal);
    while (!stop_requested()) sigsuspend(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);  // a second SIGTERM is to be heard
    baton_.wait();  // whoever has it gives it away: the stop descriptor is readable
    acceptor_.close();
    baton_.post();
    for (Seat& seat : seats_) {
      const std::lock_guard lock(seat.mutex);
      seat.is_stopped = true;
      if (seat.socket >= 0) shutdown(seat.socket, SHUT_RD);
    }
    join();
    if (problem_) std::rethrow_exception(problem_);
  }

 private:
  struct Seat {
    explicit Seat(Server& its_server) : server(its_server) {}
    Server& server;
    pthread_t thread{};
    std::mutex mutex;
    int socket = -1;          // guarded by mutex
    bool is_stopped = false;  // guarded by mutex
  };

  void hire() try {
    for (std::size_t i = 0; i < options_.thread_limit; ++i) {
      Seat& seat = seats_.emplace_back(*this);
      const int error = pthread_create(&seat.thread, nullptr, work, &seat);
      if (error != 0) {
        seats_.pop_back();
        throw CallFailed("pthread_create", error);
      }
    }
  } catch (const std::bad_alloc&) {
    dismiss();
    throw CallFailed("malloc", ENOMEM);
  } catch (...) {
    dismiss();
    throw;
  }

  void dismiss() {
    dismissed_ = true;  // before the post, so whoever takes the baton sees it
    baton_.post();
    join();
  }

  void join() {
    for (Seat& seat : seats_) pthread_join(seat.thread, nullptr);
  }

  static void* work(void* argument) {
    Seat& seat = *static_cast<Seat*>(argument);
    seat.server.work_at(seat);
    return nullptr;
  }

  void work_at(Seat& seat) {
    for (;;) {
      baton_.wait();
      Descriptor client;
      try {
        client = next_client();
      } catch (...) {
        problem_ = std::current_exception();
        dismissed_ = true;
        kill(getpid(), SIGTERM);
      }
      if (client) enter(seat, client.fd());
      baton_.post();
      if (!client) return;
      Counters::count(counters.accepted);
      serve_client(client.fd(), options_);
      leave(seat, client);
      Counters::count(counters.closed);
    }
  }

  // With the baton in hand. Nobody: it is over.
  Descriptor next_client() {
    while (!dismissed_ && !stop_requested() && !acceptor_.is_closed()) {
      const Time now = Clock::now();
      pollfd watched[] = {{stop_descriptor_, POLLIN, 0},
                          {acceptor_.is_accepting(now) ? acceptor_.fd() : -1, POLLIN, 0}};
      const int ready = poll(watched, 2, milliseconds_until(acceptor_.resumes_at(now), now));
      if (ready < 0) {
        excuse_failed_wait("poll", errno);
        continue;
      }
      Counters::count(counters.wakeups);
      if (watched[1].revents == 0 || stop_requested()) continue;
      if (Descriptor client = acceptor_.next_client(Clock::now())) return client;
    }
    return Descriptor();
  }

  static void enter(Seat& seat, int socket) {
    const std::lock_guard lock(seat.mutex);
    seat.socket = socket;
    if (seat.is_stopped) shutdown(socket, SHUT_RD);
  }

  static void leave(Seat& seat, Descriptor& socket) {
    const std::lock_guard lock(seat.mutex);
    seat.socket = -1;
    socket = Descriptor();
  }

  const Options options_;
  const int stop_descriptor_ = install_signal_handlers();
  Acceptor acceptor_;           // whoever has the baton
  bool dismissed_ = false;      // the same
  std::exception_ptr problem_;  // the same
  Semaphore baton_;
  sigset_t usual_mask_{};
  std::deque<Seat> seats_;
};

void run_server(int argc, char** argv) {
  Server server(read_options(argc, argv, "apbtnh", purpose, {.thread_limit = 64}));
  server.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
