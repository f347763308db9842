// A correct server written another way: epoll(7) says that a recv that brings less than was asked
// for has emptied the socket, so the one that would say EAGAIN is spared. That holds only while the
// end of the stream has not been told, which is what EPOLLRDHUP is for.
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <vector>

#include "common/acceptor.hpp"
#include "common/clients.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "common/site.hpp"
#include "common/surroundings.hpp"

namespace {

constexpr const char* purpose = "An exercise: an event loop that is told of each change once.";

// What a turn has come to: there may be more to do, EAGAIN, or the end.
enum class Turn { may_go_on, parked, over };

struct Connection {
  Descriptor socket;
  Exchange exchange;
  bool end_is_told = false;
  bool is_drained = false;  // as of the last recv
};

class EdgeLoop {
 public:
  explicit EdgeLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no),
        surroundings_(0),
        clients_(options.idle_limit) {
    if (!queue_) throw CallFailed("epoll_create1", errno);
    if (!watch(stop_descriptor_, &stop_descriptor_))
      throw CallFailed("epoll_ctl", errno, stop_descriptor_);
    if (!watch(acceptor_.fd(), &acceptor_)) throw CallFailed("epoll_ctl", errno, acceptor_.fd());
    announce(acceptor_.fd());
  }

  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      wait();
      now_ = Clock::now();
      Counters::count(counters.wakeups);
      accept_clients();
      give_turns();
      expire_clients();
      if (stop_requested() && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = Clients<Connection, bool>::Client;  // the note: is it in the list of the awake?

  // -- what the kernel has told --

  bool watch(int fd, void* owner) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = owner;
    return epoll_ctl(queue_.fd(), EPOLL_CTL_ADD, fd, &event) == 0;
  }

  void wait() {
    std::array<epoll_event, 256> events;
    const int count =
        epoll_wait(queue_.fd(), events.data(), static_cast<int>(events.size()), timeout());
    if (count < 0 && errno != EINTR) throw CallFailed("epoll_wait", errno, queue_.fd());
    for (int i = 0; i < count; ++i) note(events[static_cast<std::size_t>(i)]);
  }

  void note(const epoll_event& event) {
    void* const owner = event.data.ptr;
    if (owner == &acceptor_) may_accept_ = true;
    if (owner == &acceptor_ || owner == &stop_descriptor_) return;
    Client& client = *static_cast<Client*>(owner);
    if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
      client.conversation.end_is_told = true;
    wake(client);
  }

  void wake(Client& client) {
    if (client.note) return;
    client.note = true;
    awake_.push_back(&client);
  }

  int timeout() const {
    if (!awake_.empty() || (may_accept_ && acceptor_.is_accepting(now_))) return 0;
    return milliseconds_until(earlier(clients_.next_due(), acceptor_.resumes_at(now_)),
                              Clock::now());
  }

  // -- clients come --

  // The listener's edge, too, comes once for any number of clients.
  void accept_clients() {
    for (int i = 0; i < most_accepted_at_once && may_accept_; ++i) {
      if (!acceptor_.is_accepting(now_)) return;
      Descriptor socket = acceptor_.next_client(now_);
      if (socket)
        welcome(std::move(socket));
      else if (is_not_ready(errno))
        may_accept_ = false;
    }
  }

  void welcome(Descriptor socket) try {
    const int fd = socket.fd();
    Client& client =
        clients_.add({std::move(socket), Exchange(surroundings_.bench), false, false}, false, now_);
    if (!watch(fd, &client)) clients_.remove(client);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- turns --

  void give_turns() {
    std::vector<Client*> round;
    round.swap(awake_);
    for (Client* client : round) {
      client->note = false;
      const Turn turn = take_turn(*client);
      if (turn == Turn::may_go_on) wake(*client);
      if (turn == Turn::over) clients_.remove(*client);
    }
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
    const std::size_t asked = exchange.room().size();
    const ssize_t count = receive(client.conversation.socket.fd(), exchange.room());
    if (count < 0 && is_not_ready(errno)) return stop_requested() ? Turn::over : Turn::parked;
    if (count <= 0) return Turn::over;
    if (was_silent) clients_.renew(client, now_);
    exchange.received(static_cast<std::size_t>(count));
    answer_requests(client);
    if (exchange.has_outgoing()) return write(client);
    const bool is_empty = static_cast<std::size_t>(count) < asked;
    client.conversation.is_drained = is_empty;
    return may_park(client) ? Turn::parked : Turn::may_go_on;
  }

  // After a short read nothing is left, and the next byte brings an edge of its own.
  static bool may_park(const Client& client) {
    return client.conversation.is_drained && !client.conversation.end_is_told && !stop_requested();
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
      std::erase(awake_, client);
      clients_.remove(*client);
    }
  }

  // Everybody gets a turn: who has nothing to read and nothing to send is done.
  void stop() {
    acceptor_.close();
    may_accept_ = false;
    clients_.for_each([this](Client& client) { wake(client); });
  }

  static constexpr int most_accepted_at_once = 64;

  int stop_descriptor_ = install_signal_handlers();
  Descriptor queue_{epoll_create1(EPOLL_CLOEXEC)};
  Acceptor acceptor_;
  bool may_accept_ = true;
  Surroundings surroundings_;
  Clients<Connection, bool> clients_;
  std::vector<Client*> awake_;  // told of, and not yet parked
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
