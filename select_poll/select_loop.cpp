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
#include "common/conversation.hpp"
#include "common/counters.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "common/surroundings.hpp"

namespace {

constexpr const char* purpose =
    "One thread serves all clients; select(2) is asked about each of them every time.";

class SelectLoop {
 public:
  explicit SelectLoop(const Options& options)
      : acceptor_(open_listener(options), Blocking::no),
        surroundings_(options.backend_port),
        clients_(options.idle_limit) {
    surroundings_.descriptor_limit = int{FD_SETSIZE};  // some systems have it unsigned
    for (const int fd : {stop_wait_.fd, acceptor_.fd()})
      if (fd >= int{FD_SETSIZE}) throw CallFailed("select", EINVAL, fd);
    start_accepting();
    announce(acceptor_.fd());
  }

  // The loop: ask which waits are over, let those conversations go on, note their new waits.
  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto deadline = earlier(clients_.next_due(), acceptor_.resumes_at(now_));
      const int timeout = milliseconds_until(deadline, Clock::now());
      timeval limit{timeout / 1000, timeout % 1000 * 1000};
      const int end = fill_sets();
      int ready = select(end, &readable_, &writable_, nullptr, timeout < 0 ? nullptr : &limit);
      if (ready < 0) excuse_failed_wait("select", errno);
      now_ = Clock::now();
      Counters::count(counters.wakeups);
      // All of them are looked at to find the few that are ready: this, filling the sets and the
      // kernel's own walk are the O(n).
      const bool somebody_comes = ready > 0 && is_accepting_ && take_ready(listener_wait());
      if (somebody_comes) --ready;
      Client* next = clients_.first();
      while (ready > 0 && next != nullptr) {
        Client& client = *next;
        next = client.after;  // by the time it is served, it may have gone or moved to the end
        if (!take_ready(client.note)) continue;
        --ready;
        resume(client);
      }
      if (somebody_comes) accept_clients();
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (stop_requested() && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Client = Clients<Conversation, Wait>::Client;

  // -- clients come --

  void start_accepting() { is_accepting_ = true; }

  void stop_accepting() { is_accepting_ = false; }

  // Not all there are: those who are here already want their turn too.
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
    if (socket.fd() >= int{FD_SETSIZE}) return turn_away(std::move(socket), 503);
    Conversation conversation(std::move(socket), surroundings_);
    const Wait wait = conversation.request_wait();
    clients_.add(std::move(conversation), wait, now_);
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

  void after_turn(Client& client, std::optional<Wait> wait) {
    if (!wait) {
      clients_.remove(client);
    } else {
      watch(client, *wait);
      if (client.conversation.has_progressed()) clients_.renew(client, now_);
    }
  }

  // -- what the kernel will be asked about --

  void watch(Client& client, Wait wait) { client.note = wait; }

  Wait listener_wait() const { return {acceptor_.fd(), Until::readable}; }

  fd_set& set_for(Wait wait) { return wait.until == Until::readable ? readable_ : writable_; }

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
      put(client->note);
    return highest + 1;
  }

  // Is this wait over? Asked once: a client that is met a second time has been served.
  bool take_ready(Wait wait) {
    if (!FD_ISSET(wait.fd, &set_for(wait))) return false;
    FD_CLR(wait.fd, &set_for(wait));
    return true;
  }

  // -- the end --

  // Whoever waits for a request that has not come is done. Answers under way are finished first.
  void stop() {
    stop_accepting();
    acceptor_.close();
    clients_.for_each([this](Client& client) {
      if (client.note == client.conversation.request_wait()) resume(client);
    });
  }

  static constexpr int most_accepted_at_once = 64;

  const Wait stop_wait_{install_signal_handlers(), Until::readable};
  fd_set readable_;
  fd_set writable_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
  Surroundings surroundings_;
  Clients<Conversation, Wait> clients_;
  Time now_ = Clock::now();
};

void run_server(int argc, char** argv) {
  SelectLoop loop(read_options(argc, argv, "apbth", purpose));
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
