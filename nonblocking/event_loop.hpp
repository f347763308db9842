// event_loop.hpp — one thread, and the kernel says which sockets are ready.
//
// The page to read for event_loop and for await_loop: they share this loop, because it need not
// know whether a conversation is written as continuations or as a coroutine. Compare with
// select_poll/poll_loop.cpp: there only the waiting differs.
//
// Three files say the rest: wait.hpp, what a conversation waits for, and what the loop is told
// after its turn; ready_queue.hpp, what epoll or kqueue is asked; clients.hpp, who is connected, in
// the order in which their time runs out. Of the others this is enough here:
//
// - A conversation owns its client's socket, and its backend's while it has one: both close with
//   it. resume() goes on as far as it can without waiting: it receives, computes, sends. It may be
//   called although nothing is ready. expire() is called when the client's time is over: half a
//   request gets 408, a client whose backend is too slow 504, and everybody else is given up.
// - The acceptor owns the listener. next_client() accepts one client, if one waits. pause() makes
//   is_accepting() false for a tenth of a second, until resumes_at(), because nobody can be held at
//   the moment: descriptors or memory have run out. After close() it accepts nobody, ever.
// - With SIGTERM or SIGINT context.draining becomes true, and after it `stop` readable. From then
//   on a conversation ends with the response that is under way.
#pragma once

#include <cassert>
#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include "common/acceptor.hpp"
#include "common/clients.hpp"
#include "common/context.hpp"
#include "common/error.hpp"
#include "common/options.hpp"
#include "common/wait.hpp"
#include "nonblocking/ready_queue.hpp"

namespace two_ways {

// `Conversation` is the one of common/conversation.hpp, or AwaitConversation, or any class that can
// be moved, is made of a client's socket and the context, and has their resume() and expire(),
// which do not throw. line_service.cpp has one.
template <class Conversation>
class EventLoop {
 public:
  // The acceptor must have been made with Blocking::no: it and all clients' sockets do not block
  // then. run() returns some time after `stop` has become readable. `time_limit` is how long a
  // client may take from one step to the next (Progress::new_time). Acceptor and context must live
  // longer. Throws CallFailed.
  EventLoop(Acceptor& acceptor, int stop, Seconds time_limit, Context& context)
      : context_(context),
        stop_wait_{stop, Interest::readable},
        acceptor_(acceptor),
        clients_(time_limit, context.counters) {
    if (!queue_.watch(stop_wait_, nullptr)) throw CallFailed("watch", errno, stop_wait_.fd);
    start_accepting();
    if (!is_accepting_) throw CallFailed("watch", errno, acceptor_.fd());
  }

  // The loop: ask which waits are over, let those conversations go on, register their new waits.
  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto deadline = earlier(clients_.next_due(), acceptor_.resumes_at(now_));
      const auto ready = queue_.wait(milliseconds_until(deadline, Clock::now()));
      now_ = Clock::now();
      Counters::count(context_.counters.wakeups);
      for (void* owner : ready) dispatch(owner);
      // Only now: this may free a client that one of the events above was about.
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (context_.draining && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = typename Clients<Conversation, Wait>::Client;

  // -- clients come --

  // The kernel may have no room for it (ENOMEM, ENOSPC): then it is tried again after the pause.
  void start_accepting() {
    is_accepting_ = queue_.watch({acceptor_.fd(), Interest::readable}, &acceptor_);
    if (!is_accepting_) acceptor_.pause(now_);
  }

  void stop_accepting() {
    if (is_accepting_) queue_.forget({acceptor_.fd(), Interest::readable});
    is_accepting_ = false;
  }

  // Some of them at a time: those who are here already want their turn too.
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
    const Wait wait{socket.fd(), Interest::readable};  // a client speaks first
    Client& client = clients_.add(Conversation(std::move(socket), context_), wait, now_);
    if (queue_.watch(wait, &client)) return;
    clients_.remove(client);
    acceptor_.pause(now_);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- clients go on --

  // The owner is alive. The events of one wake-up are about different owners, for a client has one
  // registration at most; and in its own event's turn a client may end itself, but no other. So no
  // event behind it is about a client that has been freed.
  void dispatch(void* owner) {
    if (owner == nullptr) return;  // the stop: run() looks at it
    if (owner == &acceptor_) return accept_clients();
    Client& client = *static_cast<Client*>(owner);
    assert(client.registration.interest != Interest::none);
    resume(client);
  }

  void resume(Client& client) { after_turn(client, client.conversation.resume()); }

  void expire_clients() {
    while (Client* client = clients_.first_due(now_)) {
      clients_.renew(*client, now_);  // a last response, 408 or 504, has the same time to leave
      after_turn(*client, client->conversation.expire());
    }
  }

  void after_turn(Client& client, const Turn& turn) {
    spin_check_.after(turn);
    // The kernel forgets a descriptor that is closed, and its number may be given again.
    if (turn.closed) client.registration = Wait();
    const bool goes_on = turn.wait && watch(client, *turn.wait);
    if (!goes_on) {
      if (client.registration.interest != Interest::none)
        queue_.forget_before_close(client.registration);
      clients_.remove(client);
    } else if (turn.progress == Progress::new_time) {
      clients_.renew(client, now_);
    }
  }

  // -- what the kernel has been told --

  // In the common round, read a request and write the response, the wait is the same as before, and
  // there is nothing to tell.
  //
  // A wait for the backend costs three calls or more: the client is forgotten, the backend watched,
  // and in the end the client watched again. Leaving the client registered meanwhile would save
  // two, and cost the rule that dispatch() stands on, for then one wake-up could bring two events
  // for one owner.
  bool watch(Client& client, Wait wait) {
    if (wait == client.registration) return true;
    const Wait old = std::exchange(client.registration, wait);
    if (wait.fd == old.fd) return queue_.change(old, wait, &client);
    if (old.interest != Interest::none) queue_.forget(old);
    return queue_.watch(wait, &client);  // if it fails, the client ends
  }

  // -- the end --

  // Everybody has a turn: while draining, a conversation that waits for its next request ends in
  // it, and one with a response under way goes on until that has left.
  void stop() {
    stop_accepting();
    acceptor_.close();
    queue_.forget(stop_wait_);  // nobody reads it, so each wait would end at once
    clients_.for_each([this](Client& client) { resume(client); });
  }

  static constexpr int most_accepted_at_once = 64;

  Context& context_;
  const Wait stop_wait_;
  ReadyQueue queue_;
  Acceptor& acceptor_;
  bool is_accepting_ = false;  // the listener is watched
  Clients<Conversation, Wait> clients_;
  Time now_ = Clock::now();
  SpinCheck spin_check_;
};

}  // namespace two_ways
