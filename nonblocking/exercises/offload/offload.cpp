// offload — your file. While this loop burns the time of one /spin, nobody else is answered. Leave
// the computing to threads, two to four of them, and let a descriptor wake the loop when one is
// done. While you compute, -t does not run.
// Try: make grade EX=offload
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
#include "nonblocking/ready_queue.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: an event loop that leaves the computing to threads.";

struct Connection {
  Descriptor socket;
  HttpCodec codec;
};

class OffloadLoop {
 public:
  explicit OffloadLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no), clients_(options.idle_limit, counters_) {
    if (!queue_.watch(stop_wait_, &stop_wait_)) throw CallFailed("watch", errno, stop_wait_.fd);
    start_accepting();
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
          accept_clients();
        else if (owner != &stop_wait_)
          serve(*static_cast<Client*>(owner));
      }
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (context_.draining && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = Clients<Connection, Wait>::Client;

  // -- clients come --

  void start_accepting() {
    is_accepting_ = queue_.watch({acceptor_.fd(), Interest::readable}, &acceptor_);
    if (!is_accepting_) acceptor_.pause(now_);
  }

  void stop_accepting() {
    if (is_accepting_) queue_.forget({acceptor_.fd(), Interest::readable});
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
    const Wait wait{socket.fd(), Interest::readable};
    Client& client = clients_.add({std::move(socket), HttpCodec(context_)}, wait, now_);
    if (!queue_.watch(wait, &client)) clients_.remove(client);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- one client's turn --

  void serve(Client& client) try {
    HttpCodec& codec = client.conversation.codec;
    after_turn(client, codec.has_output() ? answer_requests(client) : read(client));
  } catch (const std::bad_alloc&) {
    end(client);
  }

  bool read(Client& client) {
    HttpCodec& codec = client.conversation.codec;
    const bool was_silent = !codec.is_inside_request();
    const ssize_t count = receive(client.conversation.socket.fd(), codec.room());
    const bool may_come = count < 0 && is_not_ready(errno) && !context_.draining;
    codec.received(count);
    if (count <= 0) return may_come;
    if (was_silent) clients_.renew(client, now_);
    return answer_requests(client);
  }

  // False when the conversation is over.
  bool answer_requests(Client& client) {
    HttpCodec& codec = client.conversation.codec;
    for (;;) {
      while (const std::optional<Request> request = codec.next_request()) {
        clients_.renew(client, now_);
        const Response response = handle(*request);
        codec.respond(*request, response.is_from_backend ? no_backend() : response);
      }
      if (!codec.has_output()) return !codec.is_closing() && !context_.draining;
      const ssize_t count = send_some(client.conversation.socket.fd(), codec.output());
      if (count < 0) return is_not_ready(errno);
      clients_.renew(client, now_);
      codec.sent(static_cast<std::size_t>(count));
      if (codec.has_output()) return true;
    }
  }

  void after_turn(Client& client, bool goes_on) {
    Connection& connection = client.conversation;
    const bool must_write = connection.codec.has_output();
    const Wait wait{connection.socket.fd(), must_write ? Interest::writable : Interest::readable};
    if (!goes_on || !watch(client, wait)) end(client);
  }

  bool watch(Client& client, Wait wait) {
    const Wait old_wait = client.registration;
    if (wait == old_wait) return true;
    client.registration = wait;
    return queue_.change(old_wait, wait, &client);
  }

  void end(Client& client) {
    queue_.forget(client.registration);
    clients_.remove(client);
  }

  // -- time, and the end --

  void expire_clients() {
    while (Client* client = clients_.first_due(now_)) {
      Connection& connection = client->conversation;
      if (!connection.codec.has_output() && connection.codec.is_inside_request()) {
        connection.codec.refuse(408);
        (void)send_some(connection.socket.fd(), connection.codec.output());
      }
      end(*client);
    }
  }

  void stop() {
    stop_accepting();
    acceptor_.close();
    queue_.forget(stop_wait_);
    clients_.for_each([this](Client& client) {
      if (client.registration.interest == Interest::readable) serve(client);
    });
  }

  static constexpr int most_accepted_at_once = 64;

  Counters counters_;
  Signals signals_{counters_};
  Context context_{handle, signals_.stop_requested(), counters_};
  Wait stop_wait_{signals_.stop_descriptor(), Interest::readable};
  ReadyQueue queue_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
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
