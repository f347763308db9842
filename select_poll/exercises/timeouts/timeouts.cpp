// timeouts — your file: a select server that waits for everybody for ever. Three times are to be
// kept, in seconds and fractions:
//   -t  silence: from the start, or from the end of an answer, to the first byte of a request.
//       When it has run out, the client is closed.
//   -r  a request: from its first byte (or from the end of the answer before it, if that byte lay
//       there already) to its last. When it has run out: 408 and the end. A byte buys no time.
//   -o  an answer: as long as some of it waits to be sent, the client must take 16 KiB, or the
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
#include "common/counters.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "common/site.hpp"
#include "common/surroundings.hpp"

namespace {

constexpr const char* purpose = "An exercise: one thread, select(2), and a deadline for each wait.";

enum class Phase { silent, in_request, answered, leaving, over };

struct Client {
  Descriptor socket;
  Exchange exchange;
  Phase phase = Phase::silent;

  bool must_write() const { return phase == Phase::answered; }
};

class SelectServer {
 public:
  explicit SelectServer(const Options& options)
      : acceptor_(open_listener(options), Blocking::no), surroundings_(0) {
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
      Counters::count(counters.wakeups);
      if (ready > 0) serve_clients();
      if (stop_requested()) stop();
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
    if (!acceptor_.is_closed()) put(stop_descriptor_, readable_);
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
    clients_.push_back({std::move(socket), Exchange(surroundings_.bench)});
    Counters::count(counters.accepted);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  void forget_clients() {
    const auto gone =
        std::erase_if(clients_, [](const Client& client) { return client.phase == Phase::over; });
    counters.closed.fetch_add(gone, std::memory_order_relaxed);
  }

  // -- one client's turn --

  void serve(Client& client) try {
    client.exchange.take_up();
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
    client.exchange.stow();
  } catch (const std::bad_alloc&) {
    client.phase = Phase::over;
  }

  void read(Client& client) {
    const ssize_t count = receive(client.socket.fd(), client.exchange.room());
    if (count < 0 && is_not_ready(errno)) {
      if (stop_requested()) client.phase = Phase::over;
      return;
    }
    if (count <= 0) {
      client.phase = Phase::over;
      return;
    }
    client.exchange.received(static_cast<std::size_t>(count));
    go_on(client);
  }

  // Answers all that is there, as far as it leaves. Then the client is silent, or inside a request.
  void go_on(Client& client) {
    do {
      while (const Request* request = client.exchange.next_request())
        client.exchange.answer(asks_backend(*request) ? no_backend() : answer_to(*request));
      if (!client.exchange.has_outgoing())
        return enter(client,
                     client.exchange.is_inside_request() ? Phase::in_request : Phase::silent);
      enter(client, Phase::answered);
    } while (write(client));
  }

  // True if everything has left and more may come.
  bool write(Client& client) {
    const ssize_t count = send_some(client.socket.fd(), client.exchange.outgoing());
    if (count < 0) {
      if (!is_not_ready(errno)) client.phase = Phase::over;
      return false;
    }
    client.exchange.sent(static_cast<std::size_t>(count));
    const bool has_all = !client.exchange.has_outgoing();
    if (has_all && client.exchange.is_closing()) end(client);
    return has_all && !client.exchange.is_closing();
  }

  // The client may still be sending: to close over that would reset the connection, and the reset
  // might overtake our last answer.
  void end(Client& client) {
    const bool must_read = client.exchange.should_linger();
    client.phase = Phase::over;
    if (must_read && shutdown(client.socket.fd(), SHUT_WR) == 0) enter(client, Phase::leaving);
  }

  void linger(Client& client) {
    const ssize_t count = receive(client.socket.fd(), client.exchange.room());
    const bool is_there = count > 0 || (count < 0 && is_not_ready(errno));
    if (!is_there || stop_requested()) client.phase = Phase::over;
  }

  static void enter(Client& client, Phase phase) { client.phase = phase; }

  // -- the end --

  // A last look at who waits for a request: what has come is answered; if nothing has, it is over.
  void stop() {
    acceptor_.close();
    for (Client& client : clients_)
      if (!client.must_write()) serve(client);
  }

  const int stop_descriptor_ = install_signal_handlers();
  fd_set readable_;
  fd_set writable_;
  Acceptor acceptor_;
  Surroundings surroundings_;
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
