// clients.hpp — every open conversation of a loop, in the order in which their time runs out.
//
// Gives: a list that owns its clients. All clients have the same time, so whoever's time starts
//        anew goes to the end, and whoever's runs out first stands in front: adding, removing,
//        renewing and looking who is due are O(1), with no scan and no timer for each client.
//        (A scan would do for select and poll, whose every wake-up is O(n) anyway. But it would
//        be one more thing in which they differ from the event loop.)
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

// `Note` is what the loop must remember of a client: its wait, or its place in a list.
template <class Conversation, class Note>
struct Client {
  Conversation conversation;
  Note note;
  Time time_started = {};    // when its time last started anew
  Client* before = nullptr;  // its neighbours in the list
  Client* after = nullptr;
};

template <class Conversation, class Note>
class Clients {
 public:
  using Client = ::Client<Conversation, Note>;

  explicit Clients(std::chrono::duration<double> time_limit)
      : time_limit_(std::chrono::duration_cast<Clock::duration>(time_limit)) {}
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;
  ~Clients() {
    while (first_ != nullptr) remove(*first_);
  }

  bool empty() const { return first_ == nullptr; }
  Client* first() const { return first_; }

  // Throws std::bad_alloc.
  Client& add(Conversation conversation, Note note, Time now) {
    auto client = std::make_unique<Client>(Client{std::move(conversation), note});
    Counters::count(counters.accepted);
    append(*client, now);
    most_ = std::max(most_, ++count_);
    return *client.release();
  }

  // Ends the conversation and closes what it holds.
  void remove(Client& client) {
    unlink(client);
    Counters::count(counters.closed);
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

  // Calls `visit` for each client. It may remove the one it is given, or renew it: then that one is
  // visited again, last.
  template <class Visit>
  void for_each(Visit visit) {
    for (Client* client = first_; client != nullptr;) {
      Client* next = client->after;
      visit(*client);
      client = next;
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

  // It happens once for every halving, so at least 32 clients have left each time. With bursts of
  // 400 clients the processor time of it cannot be seen.
  static constexpr std::size_t worth_giving_back = 64;

  Clock::duration time_limit_;
  std::size_t count_ = 0;
  std::size_t most_ = 0;  // since memory was last given back
  Client* first_ = nullptr;
  Client* last_ = nullptr;
};
