// clients.hpp — every open conversation of a loop, in the order in which their time runs out.
//
// Gives: a list that owns its clients. All clients have the same time limit, so whoever's time
// starts
//        anew goes to the end, and whoever's runs out first stands in front: adding, removing,
//        renewing and looking who is due are O(1), with no scan and no timer for each client.
//        (A scan would do for select and poll, whose every wake-up is O(n) anyway. But it would
//        be one more thing in which they differ from the event loop.)
// Do:    give a `now` that never goes back; the order depends on it.
// Do not: keep a Client& after remove().
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "common/counters.hpp"
#include "common/memory.hpp"
#include "common/wait.hpp"

namespace two_ways {

// `Registration` is what the loop has told the kernel about a client, or where it stands in a list.
template <class Conversation, class Registration>
struct Client {
  Conversation conversation;
  Registration registration;
  Time time_started = {};    // when its time last started anew
  Client* before = nullptr;  // its neighbours in the list
  Client* after = nullptr;
};

template <class Conversation, class Registration>
class Clients {
 public:
  using Client = two_ways::Client<Conversation, Registration>;

  // The counters must live longer.
  Clients(std::chrono::duration<double> time_limit, Counters& counters)
      : time_limit_(std::chrono::duration_cast<Clock::duration>(time_limit)), counters_(counters) {}
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;
  ~Clients() {
    while (first_ != nullptr) remove(*first_);
  }

  bool empty() const { return first_ == nullptr; }
  Client* first() const { return first_; }

  // Throws std::bad_alloc.
  Client& add(Conversation conversation, Registration registration, Time now) {
    auto client = std::make_unique<Client>(Client{std::move(conversation), registration});
    Counters::count(counters_.accepted);
    append(*client, now);
    most_ = std::max(most_, ++count_);
    return *client.release();
  }

  // Ends the conversation and closes what it holds.
  void remove(Client& client) {
    unlink(client);
    Counters::count(counters_.closed);
    delete &client;
    if (--count_ < most_ / 2 && most_ > worth_giving_back) {
      give_back_memory();
      most_ = count_;
    }
  }

  void renew(Client& client, Time now) {
    unlink(client);
    append(client, now);
  }

  // The client whose time runs out first, if it has run out by `now`; else nullptr.
  Client* first_due(Time now) const {
    return first_ != nullptr && first_->time_started + time_limit_ <= now ? first_ : nullptr;
  }

  // When the next client is due; nothing if there are no clients.
  std::optional<Time> next_due() const {
    if (empty()) return std::nullopt;
    return first_->time_started + time_limit_;
  }

  // Calls `visit` once for each client that is here now. It may remove or renew the one it is
  // given.
  template <class Visit>
  void for_each(Visit visit) {
    const Client* const last = last_;
    bool goes_on = !empty();
    for (Client* client = first_; goes_on;) {
      goes_on = client != last;
      visit(*std::exchange(client, client->after));
    }
  }

 private:
  void append(Client& client, Time now) {
    client.time_started = now;
    client.before = last_;
    client.after = nullptr;
    if (last_ != nullptr)
      last_->after = &client;
    else
      first_ = &client;
    last_ = &client;
  }

  void unlink(Client& client) {
    if (client.before != nullptr)
      client.before->after = client.after;
    else
      first_ = client.after;
    if (client.after != nullptr)
      client.after->before = client.before;
    else
      last_ = client.before;
  }

  // Memory is given back once for every halving, so at least 32 clients have left each time. With
  // bursts of 400 clients the processor time of it cannot be seen.
  static constexpr std::size_t worth_giving_back = 64;

  Clock::duration time_limit_;
  Counters& counters_;
  std::size_t count_ = 0;
  std::size_t most_ = 0;  // since memory was last given back
  Client* first_ = nullptr;
  Client* last_ = nullptr;
};

}  // namespace two_ways
