// offload — your file. While this loop burns the time of one /spin, nobody else is answered. Leave
// the computing to threads, two to four of them, and let a descriptor wake the loop when one is
// done. While you compute, -t does not run.
// Try: make grade EX=offload
#include <cerrno>
#include <new>

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

struct Connection {
  Descriptor socket;
  Exchange exchange;
};

class OffloadLoop {
 public:
  explicit OffloadLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no),
        surroundings_(0),
        clients_(options.idle_limit) {
    if (!queue_.watch(stop_wait_, &stop_wait_)) throw CallFailed("watch", errno, stop_wait_.fd);
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
        else if (owner != &stop_wait_)
          serve(*static_cast<Client*>(owner));
      }
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
      while (const Request* request = exchange.next_request()) {
        clients_.renew(client, now_);
        exchange.answer(asks_backend(*request) ? no_backend() : answer_to(*request));
      }
      if (!exchange.has_outgoing()) return !exchange.is_closing() && !stop_requested();
      const ssize_t count = send_some(client.conversation.socket.fd(), exchange.outgoing());
      if (count < 0) return is_not_ready(errno);
      clients_.renew(client, now_);
      exchange.sent(static_cast<std::size_t>(count));
      if (exchange.has_outgoing()) return true;
    }
  }

  void after_turn(Client& client, bool goes_on) {
    Connection& connection = client.conversation;
    const bool must_write = connection.exchange.has_outgoing();
    connection.exchange.stow();
    const Wait wait{connection.socket.fd(), must_write ? Until::writable : Until::readable};
    if (!goes_on || !watch(client, wait)) end(client);
  }

  bool watch(Client& client, Wait wait) {
    const Wait old_wait = client.note;
    if (wait == old_wait) return true;
    client.note = wait;
    return queue_.change(old_wait, wait, &client);
  }

  void end(Client& client) {
    queue_.forget(client.note);
    clients_.remove(client);
  }

  // -- time, and the end --

  void expire_clients() {
    while (Client* client = clients_.first_due(now_)) {
      Connection& connection = client->conversation;
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
      if (client.note.until == Until::readable) serve(client);
    });
  }

  static constexpr int most_accepted_at_once = 64;

  Wait stop_wait_{install_signal_handlers(), Until::readable};
  ReadyQueue queue_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
  Surroundings surroundings_;
  Clients<Connection, Wait> clients_;
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
