// select_loop — one thread, and every wake-up asks the kernel about every socket, by bitmap. The
// conversation is cut into continuations. Compare with poll_loop.cpp: only the waiting differs.
#include <sys/select.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include "common/acceptor.hpp"
#include "common/clients.hpp"
#include "common/context.hpp"
#include "common/conversation.hpp"
#include "common/error.hpp"
#include "common/handler.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose =
    "One thread serves all clients; select(2) is asked about each of them every time.";

class SelectLoop {
 public:
  SelectLoop(Acceptor& acceptor, int stop, Seconds time_limit, Context& context)
      : context_(context),
        stop_wait_{stop, Interest::readable},
        acceptor_(acceptor),
        clients_(time_limit, context.counters) {
    context_.descriptor_limit = int{FD_SETSIZE};  // some systems have it unsigned
    for (const int fd : {stop, acceptor_.fd()})
      if (fd >= int{FD_SETSIZE}) throw CallFailed("select", EINVAL, fd);
    start_accepting();
  }

  // The loop: ask which waits are over, let those conversations go on, register their new waits.
  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto deadline = earlier(clients_.next_due(), acceptor_.resumes_at(now_));
      const int timeout = milliseconds_until(deadline, Clock::now());
      timeval limit{timeout / 1000, timeout % 1000 * 1000};
      const int end = fill_sets();
      int ready = select(end, &readable_, &writable_, nullptr, timeout < 0 ? nullptr : &limit);
      if (ready < 0) excuse_failed_wait("select", errno);
      now_ = Clock::now();
      Counters::count(context_.counters.wakeups);
      // All of them are looked at to find the few that are ready: this, filling the sets and the
      // kernel's own walk are the O(n).
      const bool somebody_comes = ready > 0 && is_accepting_ && take_ready(listener_wait());
      if (somebody_comes) --ready;
      Client* next = clients_.first();
      while (ready > 0 && next != nullptr) {
        Client& client = *next;
        next = client.after;  // by the time it is served, it may have gone or moved to the end
        if (!take_ready(client.registration)) continue;
        --ready;
        resume(client);
      }
      if (somebody_comes) accept_clients();
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (context_.draining && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = Clients<Conversation, Wait>::Client;

  // -- clients come --

  void start_accepting() { is_accepting_ = true; }

  void stop_accepting() { is_accepting_ = false; }

  // Some of them at a time: those who are here already want their turn too.
  void accept_clients() {
    for (int i = 0; i < most_accepted_at_once && acceptor_.is_accepting(now_); ++i) {
      Descriptor socket = acceptor_.next_client(now_);
      if (!socket) break;
      welcome(std::move(socket));
    }
    if (!acceptor_.is_accepting(now_)) stop_accepting();
  }

  // A set has FD_SETSIZE bits, and FD_SET does not look: a descriptor beyond them would be written
  // into the memory behind the set (select(2)).
  // The `try` covers the whole function.
  void welcome(Descriptor socket) try {
    if (socket.fd() >= int{FD_SETSIZE}) return reject(std::move(socket), 503);
    const Wait wait{socket.fd(), Interest::readable};  // a client speaks first
    clients_.add(Conversation(std::move(socket), context_), wait, now_);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- clients go on --

  void resume(Client& client) { after_turn(client, client.conversation.resume()); }

  void expire_clients() {
    while (Client* client = clients_.first_due(now_)) {
      clients_.renew(*client, now_);
      after_turn(*client, client->conversation.expire());
    }
  }

  void after_turn(Client& client, const Turn& turn) {
    spin_check_.after(turn);
    if (!turn.wait) {
      clients_.remove(client);
    } else {
      watch(client, *turn.wait);
      if (turn.progress == Progress::new_time) clients_.renew(client, now_);
    }
  }

  // -- what the kernel will be asked about --

  void watch(Client& client, Wait wait) { client.registration = wait; }

  Wait listener_wait() const { return {acceptor_.fd(), Interest::readable}; }

  fd_set& set_for(Wait wait) { return wait.interest == Interest::readable ? readable_ : writable_; }

  // select leaves only the ready ones in the sets, so they are filled anew for every call.
  // Returns the end of the range to look at: the highest descriptor and one.
  int fill_sets() {
    FD_ZERO(&readable_);
    FD_ZERO(&writable_);
    int highest = -1;
    const auto put = [&](Wait wait) {
      FD_SET(wait.fd, &set_for(wait));
      highest = std::max(highest, wait.fd);
    };
    if (!acceptor_.is_closed()) put(stop_wait_);
    if (is_accepting_) put(listener_wait());
    for (Client* client = clients_.first(); client != nullptr; client = client->after)
      put(client->registration);
    return highest + 1;
  }

  // Is this wait over? Asked once: a client that is met a second time has been served.
  bool take_ready(Wait wait) {
    if (!FD_ISSET(wait.fd, &set_for(wait))) return false;
    FD_CLR(wait.fd, &set_for(wait));
    return true;
  }

  // -- the end --

  // All go on: while draining, who waits for a request that has not come is over. Responses under
  // way are finished first.
  void stop() {
    stop_accepting();
    acceptor_.close();
    clients_.for_each([this](Client& client) { resume(client); });
  }

  static constexpr int most_accepted_at_once = 64;

  Context& context_;
  const Wait stop_wait_;
  fd_set readable_;
  fd_set writable_;
  Acceptor& acceptor_;
  bool is_accepting_ = false;
  Clients<Conversation, Wait> clients_;
  Time now_ = Clock::now();
  SpinCheck spin_check_;
};

void run_server(int argc, char** argv) {
  const Options options = read_options(argc, argv, "apbth", purpose);
  Acceptor acceptor(open_listener(options), Blocking::no);
  Counters counters;
  Signals signals(counters);
  Context context{handle, signals.stop_requested(), counters, options.backend_port};
  SelectLoop loop(acceptor, signals.stop_descriptor(), options.idle_limit, context);
  announce(acceptor.fd());
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
