// event_loop.hpp — one thread, and the kernel says which sockets are ready.
//
// The page to read for event_loop and for await_loop: the loop is the same, because how a
// conversation is written, as continuations or as a coroutine, is all the same to it. Compare with
// select_poll/poll_loop.cpp: there only the waiting differs.
#pragma once

#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include "common/acceptor.hpp"
#include "common/clients.hpp"
#include "common/counters.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "common/surroundings.hpp"
#include "nonblocking/ready_queue.hpp"

// `Conversation` is ::Conversation or AwaitConversation.
template <class Conversation>
class EventLoop {
 public:
  explicit EventLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no),
        surroundings_(options.backend_port),
        clients_(options.idle_limit) {
    if (!queue_.watch(stop_wait_, nullptr)) throw CallFailed("watch", errno, stop_wait_.fd);
    start_accepting();
    if (!is_accepting_) throw CallFailed("watch", errno, acceptor_.fd());
    announce(acceptor_.fd());
  }

  // The loop: ask which waits are over, let those conversations go on, note their new waits.
  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto deadline = earlier(clients_.next_due(), acceptor_.resumes_at(now_));
      const auto ready = queue_.wait(milliseconds_until(deadline, Clock::now()));
      now_ = Clock::now();
      Counters::count(counters.wakeups);
      for (void* owner : ready) {
        if (owner == &acceptor_)
          accept_clients();
        else if (owner != nullptr)
          resume(*static_cast<Client*>(owner));
      }
      // Only now: these may end any client, and the events above may be about any client.
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (stop_requested() && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = typename Clients<Conversation, Wait>::Client;

  // -- clients come --

  // There may be no room in the queue, either: later.
  void start_accepting() {
    is_accepting_ = queue_.watch({acceptor_.fd(), Until::readable}, &acceptor_);
    if (!is_accepting_) acceptor_.pause(now_);
  }

  void stop_accepting() {
    if (is_accepting_) queue_.forget({acceptor_.fd(), Until::readable});
    is_accepting_ = false;
  }

  // Not all there are: those who are here already want their turn too.
  void accept_clients() {
    for (int i = 0; i < most_accepted_at_once && acceptor_.is_accepting(now_); ++i) {
      Descriptor socket = acceptor_.next_client(now_);
      if (!socket) break;
      welcome(std::move(socket));
    }
    if (!acceptor_.is_accepting(now_)) stop_accepting();
  }

  // The `try` covers the whole function.
  void welcome(Descriptor socket) try {
    Conversation conversation(std::move(socket), surroundings_);
    const Wait wait = conversation.request_wait();
    Client& client = clients_.add(std::move(conversation), wait, now_);
    if (queue_.watch(wait, &client)) return;
    clients_.remove(client);
    acceptor_.pause(now_);
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
      clients_.renew(*client, now_);
      before_turn(*client);
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
      if (client.note.fd >= 0) queue_.forget_before_close(client.note);
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
      if (client.note == client.conversation.request_wait()) resume(client);
    });
  }

  static constexpr int most_accepted_at_once = 64;

  const Wait stop_wait_{install_signal_handlers(), Until::readable};
  ReadyQueue queue_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
  Surroundings surroundings_;
  Clients<Conversation, Wait> clients_;
  Time now_ = Clock::now();
};
