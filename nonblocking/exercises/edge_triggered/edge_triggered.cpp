// edge_triggered — your file. This loop was written for a queue that says again and again what is
// ready; edge_queue.hpp says each thing once. Try: make grade EX=edge_triggered
#include <cerrno>
#include <new>

#include "common/acceptor.hpp"
#include "common/clients.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "common/site.hpp"
#include "common/surroundings.hpp"
#include "nonblocking/exercises/edge_triggered/edge_queue.hpp"

namespace {

constexpr const char* purpose = "An exercise: an event loop that is told of each change once.";

// What a turn has come to: there may be more to do, EAGAIN, or the end.
enum class Turn { may_go_on, parked, over };

struct Connection {
  Descriptor socket;
  Exchange exchange;
};

class EdgeLoop {
 public:
  explicit EdgeLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no),
        surroundings_(0),
        clients_(options.idle_limit) {
    if (!queue_.watch(stop_descriptor_, &stop_descriptor_))
      throw CallFailed("watch", errno, stop_descriptor_);
    if (!queue_.watch(acceptor_.fd(), &acceptor_)) throw CallFailed("watch", errno, acceptor_.fd());
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
          accept_client();
        else if (owner != &stop_descriptor_)
          give_turn(*static_cast<Client*>(owner));
      }
      expire_clients();
      if (stop_requested() && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = Clients<Connection, bool>::Client;  // the note is yours

  // -- clients come --

  void accept_client() {
    Descriptor socket = acceptor_.next_client(now_);
    if (socket) welcome(std::move(socket));
  }

  void welcome(Descriptor socket) try {
    const int fd = socket.fd();
    Client& client = clients_.add({std::move(socket), Exchange(surroundings_.bench)}, false, now_);
    if (!queue_.watch(fd, &client)) clients_.remove(client);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- turns --

  void give_turn(Client& client) {
    if (take_turn(client) == Turn::over) clients_.remove(client);
  }

  // At most one recv and one send, so that a fast client cannot keep the others waiting.
  Turn take_turn(Client& client) try {
    Exchange& exchange = client.conversation.exchange;
    exchange.take_up();
    const Turn turn = exchange.has_outgoing() ? write(client) : read(client);
    exchange.stow();
    return turn;
  } catch (const std::bad_alloc&) {
    return Turn::over;
  }

  Turn read(Client& client) {
    Exchange& exchange = client.conversation.exchange;
    const bool was_silent = !exchange.is_inside_request();
    const ssize_t count = receive(client.conversation.socket.fd(), exchange.room());
    if (count < 0 && is_not_ready(errno)) return stop_requested() ? Turn::over : Turn::parked;
    if (count <= 0) return Turn::over;
    if (was_silent) clients_.renew(client, now_);
    exchange.received(static_cast<std::size_t>(count));
    answer_requests(client);
    return exchange.has_outgoing() ? write(client) : Turn::may_go_on;
  }

  Turn write(Client& client) {
    Exchange& exchange = client.conversation.exchange;
    const ssize_t count = send_some(client.conversation.socket.fd(), exchange.outgoing());
    if (count < 0 && is_not_ready(errno)) return Turn::parked;
    if (count < 0) return Turn::over;
    clients_.renew(client, now_);
    exchange.sent(static_cast<std::size_t>(count));
    if (!exchange.has_outgoing()) answer_requests(client);
    return exchange.has_outgoing() || !exchange.is_closing() ? Turn::may_go_on : Turn::over;
  }

  void answer_requests(Client& client) {
    Exchange& exchange = client.conversation.exchange;
    while (const Request* request = exchange.next_request()) {
      clients_.renew(client, now_);
      exchange.answer(asks_backend(*request) ? no_backend() : answer_to(*request));
    }
  }

  // -- time, and the end --

  void expire_clients() {
    while (Client* client = clients_.first_due(now_)) {
      Exchange& exchange = client->conversation.exchange;
      exchange.take_up();
      if (!exchange.has_outgoing() && exchange.is_inside_request()) {
        exchange.refuse(408);
        (void)send_some(client->conversation.socket.fd(), exchange.outgoing());
      }
      clients_.remove(*client);
    }
  }

  // Everybody gets a turn: who has nothing to read and nothing to send is done.
  void stop() {
    acceptor_.close();
    clients_.for_each([this](Client& client) { give_turn(client); });
  }

  int stop_descriptor_ = install_signal_handlers();
  EdgeQueue queue_;
  Acceptor acceptor_;
  Surroundings surroundings_;
  Clients<Connection, bool> clients_;
  Time now_ = Clock::now();
};

void run_server(int argc, char** argv) {
  EdgeLoop loop(read_options(argc, argv, "apbth", purpose));
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
