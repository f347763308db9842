// poll_loop — one thread, and every wake-up asks the kernel about every socket. The conversation is
// cut into continuations. Compare with nonblocking/event_loop.hpp: only the waiting differs.
#include <poll.h>

#include <cerrno>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "common/acceptor.hpp"
#include "common/clients.hpp"
#include "common/context.hpp"
#include "common/conversation.hpp"
#include "common/handler.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose =
    "One thread serves all clients; poll(2) is asked about each of them every time.";

class PollLoop {
 public:
  PollLoop(Acceptor& acceptor, int stop, Seconds time_limit, Context& context)
      : context_(context), acceptor_(acceptor), clients_(time_limit, context.counters) {
    make_room();
    add_entry({stop, Interest::readable}, nullptr);
    add_entry({nobody, Interest::readable}, nullptr);  // the listener's
    start_accepting();
  }

  // The loop: ask which waits are over, let those conversations go on, register their new waits.
  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      const auto deadline = earlier(clients_.next_due(), acceptor_.resumes_at(now_));
      const int timeout = milliseconds_until(deadline, Clock::now());
      int ready = poll(watched_.data(), static_cast<nfds_t>(watched_.size()), timeout);
      if (ready < 0) ready = excuse_failed_poll(watched_, errno);
      now_ = Clock::now();
      Counters::count(context_.counters.wakeups);
      // All of them are looked at to find the few that are ready: this and the kernel's own walk
      // are the O(n). From the back, because the last entry takes the place of one that ends.
      for (std::size_t i = watched_.size(); ready > 0 && i-- > 0;) {
        if (watched_[i].revents == 0) continue;
        --ready;
        if (i == listener_entry)
          accept_clients();
        else if (i != stop_entry)
          resume(*owners_[i]);
      }
      expire_clients();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
      if (context_.draining && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Entry = std::uint32_t;  // a place in the list that poll gets
  using Client = Clients<Conversation, Entry>::Client;

  // -- clients come --

  void start_accepting() {
    watched_[listener_entry].fd = acceptor_.fd();
    is_accepting_ = true;
  }

  void stop_accepting() {
    watched_[listener_entry].fd = nobody;
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
    make_room();
    const Entry entry = static_cast<Entry>(watched_.size());
    add_entry(wait, &clients_.add(Conversation(std::move(socket), context_), entry, now_));
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
      forget(client);
      clients_.remove(client);
    } else {
      watch(client, *turn.wait);
      if (turn.progress == Progress::new_time) clients_.renew(client, now_);
    }
  }

  // -- what the kernel will be asked about --

  static pollfd entry_for(Wait wait) {
    const short events = wait.interest == Interest::readable ? POLLIN : POLLOUT;
    return {wait.fd, events, 0};
  }

  void watch(Client& client, Wait wait) { watched_[client.registration] = entry_for(wait); }

  // Before an entry is added, so that adding cannot fail halfway.
  void make_room() {
    if (watched_.size() < watched_.capacity() && owners_.size() < owners_.capacity()) return;
    watched_.reserve(2 * watched_.size() + 2);
    owners_.reserve(2 * watched_.size() + 2);
  }

  void add_entry(Wait wait, Client* owner) {
    watched_.push_back(entry_for(wait));
    owners_.push_back(owner);
  }

  // The last entry moves to the place of the one that goes: O(1), and the list stays compact.
  void forget(Client& client) {
    const Entry entry = client.registration;
    watched_[entry] = watched_.back();
    owners_[entry] = owners_.back();
    owners_[entry]->registration = entry;
    watched_.pop_back();
    owners_.pop_back();
    if (watched_.size() < watched_.capacity() / 4) {
      watched_.shrink_to_fit();
      owners_.shrink_to_fit();
    }
  }

  // -- the end --

  // All go on: while draining, who waits for a request that has not come is over. Responses under
  // way are finished first.
  void stop() {
    stop_accepting();
    acceptor_.close();
    watched_[stop_entry].fd = nobody;  // it stays readable for ever
    clients_.for_each([this](Client& client) { resume(client); });
  }

  static constexpr int most_accepted_at_once = 64;
  static constexpr Entry stop_entry = 0;
  static constexpr Entry listener_entry = 1;
  static constexpr int nobody = -1;  // poll passes over a negative descriptor

  Context& context_;
  std::vector<pollfd> watched_;
  std::vector<Client*> owners_;  // of the entries, in the same order
  Acceptor& acceptor_;
  bool is_accepting_ = false;
  Clients<Conversation, Entry> clients_;
  Time now_ = Clock::now();
  SpinCheck spin_check_;
};

void run_server(int argc, char** argv) {
  const Options options = read_options(argc, argv, "apbth", purpose);
  Acceptor acceptor(open_listener(options), Blocking::no);
  Counters counters;
  Signals signals(counters);
  Context context{handle, signals.stop_requested(), counters, options.backend_port};
  PollLoop loop(acceptor, signals.stop_descriptor(), options.idle_limit, context);
  announce(acceptor.fd());
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
