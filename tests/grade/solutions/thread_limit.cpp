// thread_limit, solved: a crew that is made once. One of its threads looks out for a client, the
// others park at a lock; whoever has found a client hands the lookout on and serves.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "blocking/straight_line.hpp"
#include "common/acceptor.hpp"
#include "common/error.hpp"
#include "common/handler.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: -n threads, made once, serve all clients.";

class Crew {
 public:
  explicit Crew(const Options& options)
      : options_(options), acceptor_(open_listener(options), Blocking::yes) {
    gather();
    announce(acceptor_.fd());
  }

  // This thread parks until a stop is asked for, and then in join().
  void run() {
    pollfd watched{signals_.stop_descriptor(), POLLIN, 0};
    while (!signals_.stop_requested())
      if (poll(&watched, 1, -1) < 0) excuse_failed_wait("poll", errno);
    dismiss();
  }

 private:
  // -- in the main thread --

  // Nobody looks out before all are here: until then they find the lookout taken.
  void gather() {
    std::unique_lock lookout(lookout_);
    sockets_.assign(options_.thread_limit, nobody);
    threads_.reserve(options_.thread_limit);
    try {
      while (threads_.size() < options_.thread_limit) hire();
    } catch (const std::exception&) {
      acceptor_.close();  // so that those who are here find that it is over
      lookout.unlock();
      join();
      throw;
    }
  }

  void hire() try {
    threads_.emplace_back([this, place = threads_.size()] { work(sockets_[place]); });
  } catch (const std::system_error& failure) {  // no memory for a stack, or a limit on threads
    throw CallFailed("pthread_create", failure.code().value());
  }

  // Whoever looks out is woken by the stop's descriptor and hands the lookout on; whoever comes
  // next sees the stop before it would wait. So this thread, too, gets it.
  void dismiss() {
    {
      const std::lock_guard lookout(lookout_);
      acceptor_.close();
    }
    end_streams();
    join();
  }

  // A stream that has ended stays so: recv says 0 now or whenever it is called, and a response
  // under way still leaves.
  void end_streams() {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    for (const int socket : sockets_)
      if (socket != nobody) shutdown(socket, SHUT_RD);
  }

  void join() {
    for (std::thread& thread : threads_) thread.join();
  }

  // -- in each of the crew --

  // Nobody could catch what is thrown here; CallFailed ends the program, with its words on stderr.
  void work(int& place) noexcept {  // NOLINT(bugprone-exception-escape): said above
    while (const Descriptor client = look_out()) {
      Counters::count(counters_.accepted);
      enter(place, client.fd());
      serve_client(client.fd(), options_.idle_limit, context_);
      leave(place);
      Counters::count(counters_.closed);
    }
  }

  // Waits with the lock held, which is a fault nearly everywhere else. Here the lock is the place
  // where the others wait, and each client wakes two threads: one to serve it, one to look out.
  // Empty when it is over.
  Descriptor look_out() {
    const std::lock_guard lookout(lookout_);
    while (!acceptor_.is_closed() && !signals_.stop_requested()) {
      const Time now = Clock::now();
      pollfd watched[] = {{signals_.stop_descriptor(), POLLIN, 0},
                          {acceptor_.is_accepting(now) ? acceptor_.fd() : nobody, POLLIN, 0}};
      const int ready = poll(watched, 2, milliseconds_until(acceptor_.resumes_at(now), now));
      if (ready < 0) excuse_failed_wait("poll", errno);
      Counters::count(counters_.wakeups);
      if (ready <= 0 || watched[1].revents == 0 || signals_.stop_requested()) continue;
      if (Descriptor client = acceptor_.next_client(Clock::now())) return client;
    }
    return Descriptor();
  }

  void enter(int& place, int socket) {
    const std::lock_guard lock(mutex_);
    place = socket;
    if (is_over_) shutdown(socket, SHUT_RD);  // the stop came between accept and here
  }

  // Before the socket is closed: end_streams() must not meet a number that is somebody else's.
  void leave(int& place) {
    const std::lock_guard lock(mutex_);
    place = nobody;
  }

  static constexpr int nobody = -1;  // poll passes over a negative descriptor

  const Options options_;
  Counters counters_;
  Signals signals_{counters_};
  Context context_{handle, signals_.stop_requested(), counters_, options_.backend_port,
                   BufferPool(BufferPool::Sharing::yes)};

  std::mutex lookout_;
  Acceptor acceptor_;  // guarded by lookout_

  std::mutex mutex_;
  std::vector<int> sockets_;  // one place for each thread; guarded by mutex_
  bool is_over_ = false;      // guarded by mutex_

  std::vector<std::thread> threads_;
};

void run_server(int argc, char** argv) {
  Crew crew(read_options(argc, argv, "apbtnh", purpose, {.thread_limit = 64}));
  crew.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
