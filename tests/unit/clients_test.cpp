#include "common/clients.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

#include "tests/unit/memory.hpp"

using namespace two_ways;

using namespace std::chrono_literals;

namespace {

// A conversation that counts how many of its kind are there.
class Counted {
 public:
  explicit Counted(int name) : name_(name) { ++alive; }
  Counted(Counted&& other) noexcept : name_(other.name_) { ++alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --alive; }
  int name() const { return name_; }

  static inline int alive = 0;

 private:
  int name_;
};

using List = Clients<Counted, int>;

std::vector<int> names(List& clients) {
  std::vector<int> all;
  clients.for_each([&all](List::Client& client) { all.push_back(client.conversation.name()); });
  return all;
}

}  // namespace

TEST_CASE("clients: who is due, and not a moment sooner; who is renewed goes to the end") {
  Counters counters;
  List clients(500ms, counters);
  const Time start = Clock::now();
  CHECK(clients.empty());
  CHECK(clients.next_due() == std::nullopt);
  CHECK(clients.first_due(start) == nullptr);
  auto& one = clients.add(Counted(1), 11, start);
  auto& two = clients.add(Counted(2), 22, start + 1ms);
  CHECK(one.registration == 11);
  CHECK(clients.next_due() == start + 500ms);
  CHECK(clients.first_due(start + 499ms) == nullptr);
  CHECK(clients.first_due(start + 500ms) == &one);
  clients.renew(one, start + 3ms);
  CHECK(names(clients) == std::vector{2, 1});
  CHECK(clients.next_due() == start + 501ms);
  CHECK(clients.first_due(start + 500ms) == nullptr);
  CHECK(clients.first_due(start + 501ms) == &two);
  clients.remove(two);
  CHECK(clients.next_due() == start + 503ms);
}

TEST_CASE("clients: for_each visits each once, and may remove or renew the one it is given") {
  Counters counters;
  for (int which = 0; which <= 5; ++which) {
    List clients(1s, counters);
    for (int name = 1; name <= 4; ++name) clients.add(Counted(name), 0, Clock::now());
    std::vector<int> visited;
    clients.for_each([&](List::Client& client) {
      visited.push_back(client.conversation.name());
      if (client.conversation.name() == which || which == 5)
        clients.remove(client);
      else
        clients.renew(client, Clock::now());  // it goes to the end, and is not met there again
    });
    CAPTURE(which);
    CHECK(visited == std::vector{1, 2, 3, 4});
    CHECK(clients.empty() == (which == 5));
    clients.add(Counted(9), 0, Clock::now());
    CHECK(names(clients).back() == 9);
  }
}

TEST_CASE("clients: the list owns them: removed or left behind, they are destroyed once") {
  Counters counters;
  const long memory = allocations_in_use();
  {
    List clients(1s, counters);
    for (int name = 0; name < 100; ++name) clients.add(Counted(name), 0, Clock::now());
    CHECK(Counted::alive == 100);
    for (int i = 0; i < 30; ++i) clients.remove(*clients.first());
    CHECK(Counted::alive == 70);
  }
  CHECK(Counted::alive == 0);
  CHECK(allocations_in_use() == memory);
  CHECK(counters.accepted == 100);
  CHECK(counters.closed == 100);
}

TEST_CASE("clients: ten thousand random steps, against a plain vector") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  Counters counters;
  List clients(1s, counters);
  std::vector<List::Client*> model;
  Time now = Clock::now();
  for (int i = 0; i < 10'000; ++i) {
    now += 1ms;
    const auto which = static_cast<std::ptrdiff_t>(model.empty() ? 0 : random() % model.size());
    if (model.empty() || random() % 3 == 0) {
      model.push_back(&clients.add(Counted(i), i, now));
    } else if (random() % 2 == 0) {
      clients.renew(*model[static_cast<std::size_t>(which)], now);
      std::rotate(model.begin() + which, model.begin() + which + 1, model.end());
    } else {
      clients.remove(*model[static_cast<std::size_t>(which)]);
      model.erase(model.begin() + which);
    }
    if (clients.first() != (model.empty() ? nullptr : model.front())) FAIL("first is another one");
  }
  std::vector<List::Client*> all;
  clients.for_each([&all](List::Client& client) { all.push_back(&client); });
  CHECK(all == model);
}
