// client_group.hpp — the load generator: one thread that is thousands of clients.
//
// It is itself an event loop: it waits for all sockets at once and goes on with whichever is ready.
// A client is in one of few states, and an answer moves it to the next.
//
// Gives: keep-alive clients of one or several servers at once; closed loop (the next request when
//        the answer has come) in slices, so that servers can be compared in turn; constant rate
//        with latency from when a request SHOULD have been sent, so that a server which stalls
//        cannot hide how long it kept clients from asking (no coordinated omission).
// Do:    look at failed() after every run: a group that failed has no numbers.
// Do not: use it from two threads.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/socket.hpp"
#include "tests/kit/response.hpp"
#include "tests/measure/histogram.hpp"
#include "tests/measure/watcher.hpp"

using namespace two_ways;

using LoadClock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::nanoseconds;

inline double in_seconds(Nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

class ClientGroup;

// What all groups share: the wait, the source addresses, a buffer.
class LoadLoop {
 public:
  LoadLoop();
  // Deals with what is ready until `done()` or until the time has come. True: done.
  template <class Done>
  bool run_until(LoadClock::time_point end, Done done) {
    while (!done()) {
      const auto now = LoadClock::now();
      if (now >= end) return false;
      step(end - now);
    }
    return true;
  }
  // One wait, of at most so long, and what it found ready. Throws AskedToStop.
  void step(Nanoseconds timeout);

 private:
  friend class ClientGroup;
  // Becomes writable when the connection stands or has failed. When 127.0.0.1 has no port left for
  // that server, 127.0.0.2 is the source address, and so on up to 127.0.0.32, which is for some
  // 900,000 connections; then 127.0.0.1 again, for somebody may have left. Throws CallFailed.
  Descriptor dial(std::uint16_t port);

  Watcher watcher_;
  unsigned source_ = 1;  // 127.0.0.source_
  std::array<char, 65536> room_;
};

// What a run found. A group that failed has none of it.
struct LoadResult {
  std::uint64_t responses = 0;      // within the time that was measured
  std::uint64_t all_responses = 0;  // with those before and after, for what the server spent in all
  double seconds = 0;               // that were measured
  double own_cpu = 0;               // share of one CPU that this generator used meanwhile
  double per_second() const { return seconds > 0 ? static_cast<double>(responses) / seconds : 0; }
};

// The clients of one server.
class ClientGroup {
 public:
  ClientGroup(LoadLoop& loop, std::uint16_t port);
  ~ClientGroup();
  ClientGroup(const ClientGroup&) = delete;
  ClientGroup& operator=(const ClientGroup&) = delete;

  // What every client asks from now on. A '#' stands for the client's number, so that an answer
  // shows whose it is: "/echo/client-#".
  void ask(const std::string& target);
  // Each client sends so many requests at once and then waits for all their answers.
  void pipeline(std::size_t depth);
  // Each request on a connection of its own, which the server is to close.
  void new_connection_each();
  // How long nothing at all may come before the group has failed.
  void timeout(Nanoseconds time) { timeout_ = time; }

  // Adds keep-alive clients; each asks once and then stays, silent. How many were answered: fewer
  // than `count` if the group failed.
  std::size_t connect(std::size_t count);

  // Closed loop for so long, after a round that does not count. Latencies are kept.
  LoadResult closed_loop(Nanoseconds time);
  // Closed loop until so many requests, shared between the clients, are answered.
  LoadResult closed_loop_requests(std::uint64_t count);
  // The same in two halves, so that another group of this loop can run in between.
  void start_requests(std::uint64_t count);
  LoadResult finish_requests();
  // Constant rate in all; each client's requests are due at even intervals. Waits for what was due
  // and not answered in time.
  LoadResult constant_rate(double per_second, Nanoseconds time);

  // Every client leaves, and a failure is forgotten.
  void leave();

  // Of the last run, in nanoseconds. With pipelining: until the last answer of a batch.
  const Histogram& latencies() const { return latencies_; }
  std::size_t clients() const { return clients_.size(); }
  std::size_t response_bytes() const { return last_response_.size(); }
  std::size_t request_bytes() const { return batch_.size() / depth_; }

  bool failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }

 private:
  friend class LoadLoop;
  struct Client {
    ClientGroup* group = nullptr;
    std::uint32_t number = 0;
    std::uint32_t awaited = 0;  // answers that have not come yet
    std::uint64_t asked = 0;    // requests in this run
    std::string unsent;
    Descriptor socket;
    Watcher::For watched = Watcher::For::readable;
    bool busy = false;            // counted in busy_
    bool ending = false;          // answered; the server is to close
    LoadClock::time_point since;  // when the request was, or should have been, sent
    ResponseCheck check;
  };
  // What a client does when its answers have come.
  enum class Mode { rest, open_another, ask_again, ask_while_any_are_left, ask_when_due };

  void open(Client& client);
  void close(Client& client);
  void send_batch(Client& client, LoadClock::time_point since);
  void send_unsent(Client& client);
  void watch_for(Client& client, Watcher::For what);
  void on_ready(Client& client);
  bool receive_once(Client& client);
  void on_bytes(Client& client, std::string_view bytes);
  bool take_known_response(Client& client, std::string_view& bytes);
  void check_bytes(Client& client, std::string_view& bytes);
  void on_response(Client& client);
  void on_end(Client& client);
  void go_on(Client& client);
  void come_to_rest(Client& client);
  void fail(const Client& client, const std::string& what);
  void fail(const std::string& what);

  void open_more();
  void begin(Mode mode);
  void begin_counting();
  LoadResult counted() const;
  void start_all();
  template <class Done>
  bool wait_while_it_moves(Done done);
  void finish();
  LoadClock::time_point due(std::uint64_t request) const;
  LoadClock::time_point due(const Client& client) const;
  std::string requests_for(const std::string& target) const;  // depth_ of them
  std::string target_of(const Client& client) const;

  LoadLoop& loop_;
  std::uint16_t port_;
  std::deque<Client> clients_;  // never moved: the watcher points to them
  std::string target_ = "/";
  bool personal_ = false;  // the target has a '#'
  bool new_connection_each_ = false;
  std::size_t depth_ = 1;
  Nanoseconds timeout_ = std::chrono::seconds(5);
  std::string batch_;          // depth_ requests, if they are not personal
  Expectation expectation_;    // the same
  std::string last_response_;  // whole and right: another one just like it needs no closer look

  Mode mode_ = Mode::rest;
  std::size_t to_open_ = 0;      // clients of this connect() that have not come yet
  std::uint64_t left_ = 0;       // requests still to send, when they are counted
  LoadClock::time_point start_;  // of what is counted
  std::clock_t cpu_start_ = 0;   // this generator's own, by then
  LoadClock::time_point end_;    // nothing is due from then on
  double gap_ = 0;               // nanoseconds between two requests of all clients
  std::uint64_t received_ = 0;   // bytes: does anything move?
  std::uint64_t responses_ = 0;  // in this run
  std::uint64_t uncounted_ = 0;  // of these, before what is counted
  std::size_t busy_ = 0;         // clients with a request under way
  Histogram latencies_;
  std::string failure_;
};
