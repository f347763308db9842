// thread_limit, otherwise: every thread parks in accept(2) on the same blocking listener, and the
// kernel wakes one of them for each client. The main thread takes its signals with sigwait(3); it
// ends the waiting with shutdown(2) of the listener, which is Linux's, and sends nobody a signal.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

#include "blocking/straight_line.hpp"
#include "common/counters.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

namespace {

class Shared {
 public:
  Shared(const Options& options, int listener) : options_(options), listener_(listener) {}

  void work() {
    while (!over_) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd >= 0)
        serve(Descriptor(fd));
      else if (is_exhaustion(errno))
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      else if (errno == EINVAL)
        return;  // shut down
    }
  }

  void end() {
    over_ = true;
    shutdown(listener_, SHUT_RD);
    const std::scoped_lock lock(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RD);
  }

 private:
  void serve(Descriptor socket) {
    {
      const std::scoped_lock lock(mutex_);
      if (over_) return;
      open_.insert(socket.fd());
    }
    Counters::count(counters.accepted);
    serve_client(socket.fd(), options_);
    const std::scoped_lock lock(mutex_);
    open_.erase(socket.fd());
    Counters::count(counters.closed);
  }

  const Options& options_;
  const int listener_;
  std::atomic<bool> over_ = false;
  std::mutex mutex_;
  std::unordered_set<int> open_;
};

struct Joined {
  std::thread thread;
  ~Joined() {
    if (thread.joinable()) thread.join();
  }
};

void run_server(int argc, char** argv) {
  const Options options =
      read_options(argc, argv, "apbtnh", "Everybody accepts.", {.thread_limit = 64});
  Descriptor listener = open_listener(options);
  fcntl(listener.fd(), F_SETFL, fcntl(listener.fd(), F_GETFL) & ~O_NONBLOCK);
  install_signal_handlers();  // for SIGUSR1 and SIGPIPE
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);
  Shared shared(options, listener.fd());
  std::vector<std::unique_ptr<Joined>> threads;
  try {
    for (std::size_t i = 0; i < options.thread_limit; ++i) {
      threads.push_back(std::make_unique<Joined>());
      threads.back()->thread = std::thread(&Shared::work, &shared);
    }
  } catch (...) {
    std::cerr << "not enough threads: ";
    shared.end();
    threads.clear();
    throw;
  }
  announce(listener.fd());
  int number = 0;
  sigwait(&stops, &number);
  pthread_sigmask(SIG_UNBLOCK, &stops, nullptr);
  raise(number);  // so that stop_requested() says so, and a second one ends it
  shared.end();
  listener = Descriptor();
  threads.clear();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
