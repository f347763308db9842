// timeouts — your file: a select server that waits for everybody for ever. Three times are to be
// kept, in seconds and fractions:
//   -t  silence: from the start, or from the end of a response, to the first byte of a request.
//       When it has run out, the client is closed.
//   -r  a request: from its first byte (or from the end of the response before it, if that byte lay
//       there already) to its last. When it has run out: 408 and the end. A byte buys no time.
//   -o  a response: as long as some of it waits to be sent, the client must take 16 KiB, or the
//       rest, every -o seconds. Who takes less is closed, who takes enough never is.
// What a last send() at the deadline still finds room for, nobody has taken. A client that has been
// refused and stays is leaving: it has the time of a request, and what it still sends buys none.
// Without -r or -o they are as -t. One time runs at any moment, and no other client's events, and
// no signal, puts it off. A descriptor that select cannot watch is answered with 503 and closed.
// Between two deadlines the server sleeps. Try: make grade EX=timeouts
#include <sys/select.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "common/acceptor.hpp"
#include "common/backend.hpp"
#include "common/handler.hpp"
#include "common/http_codec.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: one thread, select(2), and a deadline for each wait.";

enum class Phase { silent, in_request, answered, leaving, over };

struct Client {
  Descriptor socket;
  HttpCodec codec;
  Phase phase = Phase::silent;

  bool must_write() const { return phase == Phase::answered; }
};

class SelectServer {
 public:
  explicit SelectServer(const Options& options) : acceptor_(open_listener(options), Blocking::no) {
    announce(acceptor_.fd());
  }

  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const int end = fill_sets();
      const int timeout = milliseconds_until(acceptor_.resumes_at(now_), Clock::now());
      timeval limit{timeout / 1000, timeout % 1000 * 1000};
      const int ready =
          select(end, &readable_, &writable_, nullptr, timeout < 0 ? nullptr : &limit);
      if (ready < 0) excuse_failed_wait("select", errno);
      now_ = Clock::now();
      Counters::count(counters_.wakeups);
      if (ready > 0) serve_clients();
      if (context_.draining) stop();
      forget_clients();
      if (ready > 0 && somebody_comes()) accept_client();
    }
  }

 private:
  // -- what the kernel is asked about --

  // Returns the highest descriptor and one.
  int fill_sets() {
    FD_ZERO(&readable_);
    FD_ZERO(&writable_);
    int highest = -1;
    const auto put = [&highest](int fd, fd_set& set) {
      FD_SET(fd, &set);
      highest = std::max(highest, fd);
    };
    if (!acceptor_.is_closed()) put(signals_.stop_descriptor(), readable_);
    if (acceptor_.is_accepting(now_)) put(acceptor_.fd(), readable_);
    for (const Client& client : clients_)
      put(client.socket.fd(), client.must_write() ? writable_ : readable_);
    return highest + 1;
  }

  void serve_clients() {
    for (Client& client : clients_)
      if (FD_ISSET(client.socket.fd(), client.must_write() ? &writable_ : &readable_))
        serve(client);
  }

  // -- clients come and go --

  bool somebody_comes() const {
    return !acceptor_.is_closed() && FD_ISSET(acceptor_.fd(), &readable_);
  }

  void accept_client() try {
    Descriptor socket = acceptor_.next_client(now_);
    if (!socket) return;
    clients_.push_back({std::move(socket), HttpCodec(context_)});
    Counters::count(counters_.accepted);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  void forget_clients() {
    const auto gone =
        std::erase_if(clients_, [](const Client& client) { return client.phase == Phase::over; });
    counters_.closed.fetch_add(gone, std::memory_order_relaxed);
  }

  // -- one client's turn --

  void serve(Client& client) try {
    switch (client.phase) {
      case Phase::silent:
      case Phase::in_request:
        read(client);
        break;
      case Phase::answered:
        go_on(client);
        break;
      case Phase::leaving:
        linger(client);
        break;
      case Phase::over:
        break;
    }
  } catch (const std::bad_alloc&) {
    client.phase = Phase::over;
  }

  void read(Client& client) {
    const ssize_t count = receive(client.socket.fd(), client.codec.room());
    const bool may_come = count < 0 && is_not_ready(errno) && !context_.draining;
    client.codec.received(count);
    if (count > 0)
      go_on(client);
    else if (!may_come)
      client.phase = Phase::over;
  }

  // Answers all that is there, as far as it leaves. Then the client is silent, or inside a request.
  void go_on(Client& client) {
    do {
      while (const std::optional<Request> request = client.codec.next_request()) {
        const Response response = handle(*request);
        client.codec.respond(*request, response.is_from_backend ? no_backend() : response);
      }
      if (!client.codec.has_output())
        return enter(client, client.codec.is_inside_request() ? Phase::in_request : Phase::silent);
      enter(client, Phase::answered);
    } while (write(client));
  }

  // True if everything has left and more may come.
  bool write(Client& client) {
    const ssize_t count = send_some(client.socket.fd(), client.codec.output());
    if (count < 0) {
      if (!is_not_ready(errno)) client.phase = Phase::over;
      return false;
    }
    client.codec.sent(static_cast<std::size_t>(count));
    const bool has_all = !client.codec.has_output();
    if (has_all && client.codec.is_closing()) end(client);
    return has_all && !client.codec.is_closing();
  }

  // The client may still be sending: to close over that would reset the connection, and the reset
  // might overtake our last response.
  void end(Client& client) {
    const bool must_read = client.codec.should_linger();
    client.phase = Phase::over;
    if (must_read && shutdown(client.socket.fd(), SHUT_WR) == 0) enter(client, Phase::leaving);
  }

  void linger(Client& client) {
    const ssize_t count = receive(client.socket.fd(), client.codec.room());
    const bool may_come = count < 0 && is_not_ready(errno);
    const bool has_come = client.codec.discard(count);
    if ((!may_come && !has_come) || context_.draining) client.phase = Phase::over;
  }

  static void enter(Client& client, Phase phase) { client.phase = phase; }

  // -- the end --

  // A last look at who waits for a request: what has come is answered; if nothing has, it is over.
  void stop() {
    acceptor_.close();
    for (Client& client : clients_)
      if (!client.must_write()) serve(client);
  }

  Counters counters_;
  Signals signals_{counters_};
  Context context_{handle, signals_.stop_requested(), counters_};
  fd_set readable_;
  fd_set writable_;
  Acceptor acceptor_;
  std::vector<Client> clients_;
  Time now_ = Clock::now();
};

void run_server(int argc, char** argv) {
  SelectServer server(read_options(argc, argv, "apbtroh", purpose));
  server.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
