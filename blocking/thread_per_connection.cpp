// thread_per_connection — one thread accepts; each client gets a thread of its own, which parks in
// every wait of its conversation. The kernel's scheduler is the event loop.
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "blocking/straight_line.hpp"
#include "common/acceptor.hpp"
#include "common/context.hpp"
#include "common/error.hpp"
#include "common/handler.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose =
    "Each client gets a thread of its own, which parks whenever it has to wait.";

class ThreadServer {
 public:
  // What it is given must live longer.
  ThreadServer(Acceptor& acceptor, int stop, const Options& options, Context& context)
      : options_(options), context_(context), stop_descriptor_(stop), acceptor_(acceptor) {
    open_pipe(finished_pipe_);
    for (const int end : finished_pipe_) set_nonblocking(end);
    set_stack_size();
  }

  // If run() has thrown there are threads left, and none may outlive what it uses.
  ~ThreadServer() {
    if (thread_count_ > 0) stop();
    while (thread_count_ > 0) {
      pollfd finished{finished_pipe_[0], POLLIN, 0};
      (void)poll(&finished, 1, -1);  // EINTR, or somebody has finished: join_finished() will see
      join_finished();
    }
  }

  // The accepting thread parks here, until a client comes, a thread ends or a stop is asked for.
  void run() {
    while (!acceptor_.is_closed() || thread_count_ > 0) {
      const Time now = Clock::now();
      const bool accepts = acceptor_.is_accepting(now) && thread_count_ < options_.thread_limit;
      pollfd watched[] = {{acceptor_.is_closed() ? nobody : stop_descriptor_, POLLIN, 0},
                          {finished_pipe_[0], POLLIN, 0},
                          {accepts ? acceptor_.fd() : nobody, POLLIN, 0}};
      const int timeout = milliseconds_until(acceptor_.resumes_at(now), now);
      if (poll(watched, 3, timeout) < 0) excuse_failed_poll(watched, errno);
      Counters::count(context_.counters.wakeups);
      if (watched[1].revents != 0) join_finished();
      if (watched[2].revents != 0) welcome_client();
      if (context_.draining && !acceptor_.is_closed()) stop();
    }
  }

 private:
  // What a thread is given, and owns.
  struct Connection {
    ThreadServer& server;
    Descriptor socket;
  };

  // -- in the accepting thread --

  void set_stack_size() {
    int error = pthread_attr_init(&attributes_);
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t pages = (options_.stack_kib * 1024 + page - 1) / page;  // macOS insists
    if (error == 0 && pages > 0) error = pthread_attr_setstacksize(&attributes_, pages * page);
    if (error != 0) throw CallFailed("pthread_attr_setstacksize", error);
  }

  void welcome_client() try {
    Descriptor socket = acceptor_.next_client(Clock::now());
    if (!socket) return;
    auto connection = std::make_unique<Connection>(Connection{*this, std::move(socket)});
    enter(connection->socket.fd());
    pthread_t thread;
    const int error = pthread_create(&thread, &attributes_, run_connection, connection.get());
    if (error == 0) {
      (void)connection.release();  // the thread's own now
      ++thread_count_;
      Counters::count(context_.counters.accepted);
    } else {  // EAGAIN: no memory for a stack, or a limit on threads (pthread_create(3))
      leave(connection->socket);
      reject(std::move(connection->socket), 503);
    }
  } catch (const std::bad_alloc&) {
    acceptor_.pause(Clock::now());
  }

  // A thread that has ended keeps its stack until it is joined.
  void join_finished() {
    for (char bytes[64]; read(finished_pipe_[0], bytes, sizeof bytes) > 0;) continue;
    while (const std::optional<pthread_t> thread = take_finished()) {
      pthread_join(*thread, nullptr);
      --thread_count_;
      Counters::count(context_.counters.closed);
    }
  }

  std::optional<pthread_t> take_finished() {
    const std::lock_guard lock(mutex_);
    if (finished_.empty()) return std::nullopt;
    const pthread_t thread = finished_.back();
    finished_.pop_back();
    return thread;
  }

  // Wakes every thread that is parked on a silent client, or is about to park. The obvious ways
  // race: a flag is looked at before the thread parks, and is set a moment later; a signal sent
  // with pthread_kill may come a moment before recv is entered, and is slept through; closing the
  // socket frees its number, which the next accept or connect may have got when the thread comes
  // to use it; cancelling ends a thread in the middle of a response. A stream that has ended stays
  // so: recv says 0 now or whenever it is called (on Linux after what has been received already;
  // macOS and BSD throw that away), and a response under way still leaves. Under the lock no socket
  // of the set can be closed.
  void stop() {
    acceptor_.close();
    const std::lock_guard lock(mutex_);
    for (const int socket : open_sockets_) shutdown(socket, SHUT_RD);
  }

  // -- in each client's thread --

  static void* run_connection(void* argument) {
    const std::unique_ptr<Connection> connection(static_cast<Connection*>(argument));
    connection->server.serve(*connection);
    return nullptr;
  }

  void serve(Connection& connection) {
    serve_client(connection.socket.fd(), options_.idle_limit, context_);
    leave(connection.socket);
    connection.socket = Descriptor();
    const std::lock_guard lock(mutex_);
    finished_.push_back(pthread_self());
    // EAGAIN: the pipe is full, so there is plenty to wake the accepting thread already.
    [[maybe_unused]] const ssize_t written = write(finished_pipe_[1], "", 1);
  }

  // -- in either --

  void enter(int socket) {
    const std::lock_guard lock(mutex_);
    // So that no thread fails to end for want of memory.
    if (finished_.capacity() <= thread_count_) finished_.reserve(2 * thread_count_ + 1);
    open_sockets_.insert(socket);
  }

  void leave(const Descriptor& socket) {
    const std::lock_guard lock(mutex_);
    open_sockets_.erase(socket.fd());
  }

  static constexpr int nobody = -1;  // poll passes over a negative descriptor

  const Options& options_;
  Context& context_;
  const int stop_descriptor_;
  Acceptor& acceptor_;
  pthread_attr_t attributes_;
  int finished_pipe_[2];
  std::size_t thread_count_ = 0;  // those not yet joined

  std::mutex mutex_;
  std::set<int> open_sockets_;       // of running threads; guarded by mutex_
  std::vector<pthread_t> finished_;  // to be joined; guarded by mutex_
};

void run_server(int argc, char** argv) {
  const Options options = read_options(argc, argv, "apbtnsh", purpose);
  Acceptor acceptor(open_listener(options), Blocking::yes);
  Counters counters;
  Signals signals(counters);
  Context context{handle, signals.stop_requested(), counters, options.backend_port,
                  BufferPool(BufferPool::Sharing::yes, 1024)};
  ThreadServer server(acceptor, signals.stop_descriptor(), options, context);
  announce(acceptor.fd());
  server.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
