// event_loop — one thread, and the kernel says which sockets are ready. The conversation is cut
// into continuations. Compare with select_poll/poll_loop.cpp: only the waiting differs.
#include <array>
#include <cerrno>
#include <new>

#include "common/acceptor.hpp"
#include "common/clients.hpp"
#include "common/conversation.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "nonblocking/ready_queue.hpp"

namespace {

constexpr const char* usage =
    "usage: event_loop [-a ADDRESS] [-p PORT] [-b BACKEND_PORT] [-t IDLE_SECONDS]\n"
    "One thread serves all clients; epoll_wait(2) or kevent(2) says who is ready.\n"
    "  -a ADDRESS       numeric address to listen on (127.0.0.1)\n"
    "  -p PORT          port to listen on; 0 lets the kernel choose (8080)\n"
    "  -b BACKEND_PORT  port of the backend that /row asks (none)\n"
    "  -t IDLE_SECONDS  how long a client may keep the server waiting (60)\n";

class EventLoop {
 public:
  explicit EventLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no), clients_(options.idle_limit) {
    surroundings_.backend_port = options.backend_port;
    surroundings_.bench.space = space_;
    if (!queue_.watch(stop_wait_, &stop_wait_)) throw CallFailed("watch", errno, stop_wait_.fd);
    start_accepting();
    announce(acceptor_.fd());
  }

  // The loop: ask which waits are over, let those conversations go on, note their new waits.
  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto deadline = earlier(clients_.next_due(), acceptor_.resumes_at());
      const auto ready = queue_.wait(milliseconds_until(deadline, Clock::now()));
      now_ = Clock::now();
      Counters::count(counters.wakeups);
      for (void* owner : ready) {
        if (owner == &acceptor_)
          accept_clients();
        else if (owner != &stop_wait_)
          resume(*static_cast<Client*>(owner));
      }
      // Only now: these may end any client, and the events above may be about any client.
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (stop_requested() && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = Clients<Conversation, Wait>::Client;

  // -- clients come --

  void start_accepting() {
    if (!queue_.watch({acceptor_.fd(), Until::readable}, &acceptor_))
      throw CallFailed("watch", errno, acceptor_.fd());
    is_accepting_ = true;
  }

  void stop_accepting() {
    if (is_accepting_) queue_.forget({acceptor_.fd(), Until::readable});
    is_accepting_ = false;
  }

  // Not all there are: those who are here already want their turn too.
  void accept_clients() {
    for (int i = 0; i < most_accepted_at_once; ++i) {
      Descriptor socket = acceptor_.next_client(now_);
      if (!socket) break;
      welcome(std::move(socket));
    }
    if (!acceptor_.is_accepting(now_)) stop_accepting();
  }

  void welcome(Descriptor socket) try {
    Conversation conversation(std::move(socket), surroundings_);
    const Wait wait = conversation.wait_for_client();
    Client& client = clients_.add(std::move(conversation), wait, now_);
    if (!queue_.watch(wait, &client)) clients_.remove(client);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- clients go on --

  void resume(Client& client) {
    before_turn(client);
    after_turn(client, client.conversation.resume());
  }

  void expire_clients() {
    while (Client* client = clients_.first_due(now_)) {
      before_turn(*client);
      clients_.renew(*client, now_);
      after_turn(*client, client->conversation.expire());
    }
  }

  // A conversation may close its backend's socket in its turn, so nobody watches that meanwhile.
  void before_turn(Client& client) {
    if (client.conversation.is_for_backend(client.note)) forget(client);
  }

  void after_turn(Client& client, std::optional<Wait> wait) {
    const bool goes_on = wait && watch(client, *wait);
    if (!goes_on) {
      forget(client);
      clients_.remove(client);
    } else if (client.conversation.has_progressed()) {
      clients_.renew(client, now_);
    }
  }

  // -- what the kernel has been told --

  // In the common round, read a request and write the answer, the wait is the same as before, and
  // there is nothing to tell.
  bool watch(Client& client, Wait wait) {
    const Wait old_wait = client.note;
    if (wait == old_wait) return true;
    if (wait.fd != old_wait.fd) forget(client);
    client.note = wait;
    if (wait.fd != old_wait.fd) return queue_.watch(wait, &client);
    return queue_.change(old_wait, wait, &client);
  }

  void forget(Client& client) {
    if (client.note.fd >= 0) queue_.forget(client.note);
    client.note.fd = -1;
  }

  // -- the end --

  // Whoever waits for a request that has not come is done. Answers under way are finished first.
  void stop() {
    stop_accepting();
    acceptor_.close();
    queue_.forget(stop_wait_);  // it stays readable for ever
    clients_.for_each([this](Client& client) {
      if (client.note == client.conversation.wait_for_client()) resume(client);
    });
  }

  static constexpr int most_accepted_at_once = 64;

  Wait stop_wait_{install_signal_handlers(), Until::readable};
  ReadyQueue queue_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
  std::array<char, 32 * 1024> space_;
  Surroundings surroundings_;
  Clients<Conversation, Wait> clients_;
  Time now_ = Clock::now();
};

void run_server(int argc, char** argv) {
  EventLoop loop(read_options(argc, argv, "a:p:b:t:h", usage));
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
