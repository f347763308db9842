// edge_triggered — your file. This loop was written for a queue that says again and again what is
// ready; edge_queue.hpp says each thing once. Try: make grade EX=edge_triggered
#include <cerrno>
#include <new>
#include <optional>

#include "common/acceptor.hpp"
#include "common/backend.hpp"
#include "common/clients.hpp"
#include "common/error.hpp"
#include "common/handler.hpp"
#include "common/http_codec.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "nonblocking/exercises/edge_triggered/edge_queue.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: an event loop that is told of each change once.";

// What a turn has come to: there may be more to do, EAGAIN, or the end.
enum class Outcome { may_go_on, parked, over };

struct Connection {
  Descriptor socket;
  HttpCodec codec;
};

class EdgeLoop {
 public:
  explicit EdgeLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no), clients_(options.idle_limit, counters_) {
    if (!queue_.watch(signals_.stop_descriptor(), &signals_))
      throw CallFailed("watch", errno, signals_.stop_descriptor());
    if (!queue_.watch(acceptor_.fd(), &acceptor_)) throw CallFailed("watch", errno, acceptor_.fd());
    announce(acceptor_.fd());
  }

  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto deadline = earlier(clients_.next_due(), acceptor_.resumes_at(now_));
      const auto ready = queue_.wait(milliseconds_until(deadline, Clock::now()));
      now_ = Clock::now();
      Counters::count(counters_.wakeups);
      for (void* owner : ready) {
        if (owner == &acceptor_)
          accept_client();
        else if (owner != &signals_)
          give_turn(*static_cast<Client*>(owner));
      }
      expire_clients();
      if (context_.draining && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = Clients<Connection, bool>::Client;  // the registration is yours

  // -- clients come --

  void accept_client() {
    Descriptor socket = acceptor_.next_client(now_);
    if (socket) welcome(std::move(socket));
  }

  void welcome(Descriptor socket) try {
    const int fd = socket.fd();
    Client& client = clients_.add({std::move(socket), HttpCodec(context_)}, false, now_);
    if (!queue_.watch(fd, &client)) clients_.remove(client);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- turns --

  void give_turn(Client& client) {
    if (take_turn(client) == Outcome::over) clients_.remove(client);
  }

  // At most one recv and one send, so that a fast client cannot keep the others waiting.
  Outcome take_turn(Client& client) try {
    return client.conversation.codec.has_output() ? write(client) : read(client);
  } catch (const std::bad_alloc&) {
    return Outcome::over;
  }

  Outcome read(Client& client) {
    HttpCodec& codec = client.conversation.codec;
    const bool was_silent = !codec.is_inside_request();
    const ssize_t count = receive(client.conversation.socket.fd(), codec.room());
    const bool may_come = count < 0 && is_not_ready(errno) && !context_.draining;
    codec.received(count);
    if (count <= 0) return may_come ? Outcome::parked : Outcome::over;
    if (was_silent) clients_.renew(client, now_);
    answer_requests(client);
    return codec.has_output() ? write(client) : Outcome::may_go_on;
  }

  Outcome write(Client& client) {
    HttpCodec& codec = client.conversation.codec;
    const ssize_t count = send_some(client.conversation.socket.fd(), codec.output());
    if (count < 0 && is_not_ready(errno)) return Outcome::parked;
    if (count < 0) return Outcome::over;
    clients_.renew(client, now_);
    codec.sent(static_cast<std::size_t>(count));
    if (!codec.has_output()) answer_requests(client);
    return codec.has_output() || !codec.is_closing() ? Outcome::may_go_on : Outcome::over;
  }

  void answer_requests(Client& client) {
    HttpCodec& codec = client.conversation.codec;
    while (const std::optional<Request> request = codec.next_request()) {
      clients_.renew(client, now_);
      const Response response = handle(*request);
      codec.respond(*request, response.is_from_backend ? no_backend() : response);
    }
  }

  // -- time, and the end --

  void expire_clients() {
    while (Client* client = clients_.first_due(now_)) {
      HttpCodec& codec = client->conversation.codec;
      if (!codec.has_output() && codec.is_inside_request()) {
        codec.refuse(408);
        (void)send_some(client->conversation.socket.fd(), codec.output());
      }
      clients_.remove(*client);
    }
  }

  // Everybody gets a turn: who has nothing to read and nothing to send is done.
  void stop() {
    acceptor_.close();
    clients_.for_each([this](Client& client) { give_turn(client); });
  }

  Counters counters_;
  Signals signals_{counters_};
  Context context_{handle, signals_.stop_requested(), counters_};
  EdgeQueue queue_;
  Acceptor acceptor_;
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
