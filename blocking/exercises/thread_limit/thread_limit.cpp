// thread_limit — your file: a server that makes a thread for each client and lets go of it: nobody
// counts these threads, and nobody waits for them. Make it a crew. All -n threads are made before
// the ready line, and the same ones serve all clients until SIGTERM: none is made, and none ends.
// Whoever finds no thread free waits in the backlog, not accepted; a client that comes wakes a
// thread or two, not all. If the crew cannot be had, the program says why and exits with status 1.
// SIGUSR1 prints the counters (common/signals.hpp). On SIGTERM nobody is accepted any more. A
// thread that is free, or whose client is silent, ends at once, one that is answering ends when its
// response has left, and all of them are joined. Try: make grade EX=thread_limit
#include <poll.h>

#include <cerrno>
#include <thread>
#include <utility>

#include "blocking/straight_line.hpp"
#include "common/acceptor.hpp"
#include "common/handler.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: -n threads, made once, serve all clients.";

class Server {
 public:
  explicit Server(const Options& options)
      : options_(options), acceptor_(open_listener(options), Blocking::yes) {
    announce(acceptor_.fd());
  }

  void run() {
    while (!signals_.stop_requested()) {
      const Time now = Clock::now();
      pollfd watched[] = {{signals_.stop_descriptor(), POLLIN, 0},
                          {acceptor_.is_accepting(now) ? acceptor_.fd() : nobody, POLLIN, 0}};
      const int ready = poll(watched, 2, milliseconds_until(acceptor_.resumes_at(now), now));
      if (ready < 0) excuse_failed_wait("poll", errno);
      Counters::count(counters_.wakeups);
      if (ready > 0 && watched[1].revents != 0) welcome_client();
    }
  }

 private:
  void welcome_client() {
    Descriptor client = acceptor_.next_client(Clock::now());
    if (!client) return;
    Counters::count(counters_.accepted);
    std::thread(&Server::serve, this, std::move(client)).detach();
  }

  void serve(const Descriptor& client) {
    serve_client(client.fd(), options_.idle_limit, context_);
    Counters::count(counters_.closed);
  }

  static constexpr int nobody = -1;  // poll passes over a negative descriptor

  const Options options_;
  Counters counters_;
  Signals signals_{counters_};
  Context context_{handle, signals_.stop_requested(), counters_, options_.backend_port,
                   BufferPool(BufferPool::Sharing::yes)};
  Acceptor acceptor_;
};

void run_server(int argc, char** argv) {
  // Static, because nobody waits for its threads: they may use it when this function has ended.
  static Server server(read_options(argc, argv, "apbtnh", purpose, {.thread_limit = 64}));
  server.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
