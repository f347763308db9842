// One client's bytes, between the socket and the site.
#include "common/exchange.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/memory.hpp"
#include "tests/unit/reference.hpp"
#include "tests/unit/socket_pair.hpp"

namespace {

const std::string hello = "GET /echo/hello HTTP/1.1\r\nHost: a\r\n\r\n";

// A bench, and an exchange on it.
struct Table {
  explicit Table(std::size_t size = 32 * 1024)
      : space(size), bench{.space = space}, exchange(bench) {
    exchange.take_up();
  }

  // As if by one recv. `bytes` must fit into the room.
  void receive_bytes(std::string_view bytes) {
    const std::span<char> room = exchange.room();
    REQUIRE(bytes.size() <= room.size());
    bytes.copy(room.data(), bytes.size());
    exchange.received(bytes.size());
  }

  void wait() {
    exchange.stow();
    std::fill(space.begin(), space.end(), '#');  // others work on the bench meanwhile
    bench.input = bench.output = "somebody else's";
    bench.occupied = 77;
    exchange.take_up();
  }

  // Answers what is there. Returns how many requests that were.
  int answer_all() {
    int count = 0;
    while (exchange.next_request() != nullptr) {
      exchange.answer(answer_to(exchange.request()));
      ++count;
    }
    return count;
  }

  // Sends at most so many bytes at a time, and waits in between if told so.
  std::string send_all(std::size_t at_a_time = 1 << 20, bool waits = false) {
    std::string text;
    while (exchange.has_outgoing()) {
      const std::string_view bytes = exchange.outgoing().substr(0, at_a_time);
      REQUIRE_FALSE(bytes.empty());
      text += bytes;
      exchange.sent(bytes.size());
      if (waits) wait();
    }
    return text;
  }

  std::vector<char> space;
  Bench bench;
  Exchange exchange;
};

std::string body_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

}  // namespace

TEST_CASE("exchange: a request in, its answer out") {
  Table table;
  CHECK_FALSE(table.exchange.is_inside_request());
  CHECK(table.exchange.next_request() == nullptr);
  table.receive_bytes(hello);
  CHECK(table.exchange.is_inside_request());
  const Request* request = table.exchange.next_request();
  REQUIRE(request != nullptr);
  CHECK(request->target == "/echo/hello");
  INFO("it stays the next one until it is answered");
  REQUIRE(table.exchange.next_request() != nullptr);
  table.exchange.answer(answer_to(table.exchange.request()));
  CHECK(table.exchange.has_outgoing());
  CHECK(table.exchange.next_request() == nullptr);
  CHECK(body_of(table.send_all()) == "hello");
  CHECK_FALSE(table.exchange.has_outgoing());
  CHECK_FALSE(table.exchange.is_inside_request());
  CHECK_FALSE(table.exchange.is_closing());
}

TEST_CASE("exchange: many requests at once are answered in order, up to sixteen in one send") {
  Table table;
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += get("/echo/" + std::to_string(i));
  table.receive_bytes(requests);
  CHECK(table.answer_all() == 16);
  std::string all = table.send_all();
  INFO("the others want their turn before the rest is answered");
  CHECK(table.answer_all() == 4);
  all += table.send_all();
  CHECK(without_dates(all) == without_dates(reference_answers(requests)));
}

TEST_CASE("exchange: no request is answered behind one that has computed") {
  Table table;
  table.receive_bytes(get("/echo/before") + get("/spin/0") + get("/spin/0") + get("/echo/last"));
  CHECK(table.answer_all() == 2);
  table.send_all();
  CHECK(table.answer_all() == 1);
  table.send_all();
  CHECK(table.answer_all() == 1);
}

TEST_CASE("exchange: who sends on after the end is listened to for 1 MiB, however it comes") {
  for (const std::size_t piece : {1400u, 16u * 1024}) {
    Table table;
    table.exchange.refuse(400);
    table.send_all();
    std::size_t bytes = piece;
    while (table.exchange.discard(piece)) bytes += piece;
    CHECK(bytes >= 1 << 20);
    CHECK(bytes < (1 << 20) + piece);
  }
}

TEST_CASE("exchange: a bench full of answers waits until they have left") {
  Table table(4096);
  std::string requests;
  for (int i = 0; i < 40; ++i) requests += get("/echo/" + std::to_string(i));
  requests.resize(table.exchange.room().size());
  table.receive_bytes(requests);
  std::string answers;
  int rounds = 0;
  while (table.answer_all() > 0) {
    CHECK(table.exchange.outgoing().size() <= 4096);
    answers += table.send_all();
    ++rounds;
  }
  CHECK(rounds > 1);
  CHECK(without_dates(answers) == without_dates(reference_answers(requests)));
}

TEST_CASE("exchange: idle, it keeps no memory; inside a request or an answer it keeps that much") {
  Table table;
  const long memory = allocations_in_use();
  table.wait();
  CHECK(allocations_in_use() == memory);
  table.receive_bytes(hello);
  table.answer_all();
  table.send_all();
  table.wait();
  INFO("everything answered and sent: idle again");
  CHECK(allocations_in_use() == memory);

  table.receive_bytes(hello.substr(0, 20));
  table.wait();
  INFO("half a request");
  CHECK(allocations_in_use() > memory);
  table.receive_bytes(hello.substr(20));
  CHECK(table.answer_all() == 1);
  table.exchange.sent(10);
  table.wait();
  CHECK(allocations_in_use() > memory);
  table.send_all();
  table.wait();
  CHECK(allocations_in_use() == memory);

  INFO("a long answer is made as it is sent: nothing of it is kept, except the rest of its head");
  table.receive_bytes(get("/bytes/1000000"));
  table.answer_all();
  table.exchange.sent(table.exchange.outgoing().size());
  table.wait();
  CHECK(table.exchange.has_outgoing());
  CHECK(allocations_in_use() == memory);
}

TEST_CASE("exchange: it may be put away and taken up again at every single byte") {
  const std::string requests = get("/echo/one") + "HEAD /bytes/70 HTTP/1.1\r\nHost: a\r\n\r\n" +
                               get("/bytes/50") + get("/unknown") + "GET / HTTP/1.0\r\n\r\n";
  const std::string expected = without_dates(reference_answers(requests));
  Table table;
  std::string answers;
  for (const char c : requests) {
    table.receive_bytes({&c, 1});
    for (bool goes_on = true; goes_on;) {
      table.wait();
      goes_on = table.exchange.next_request() != nullptr;
      if (goes_on) table.exchange.answer(answer_to(table.exchange.request()));
      table.wait();
      answers += table.send_all(1, true);
    }
  }
  CHECK(without_dates(answers) == expected);
  CHECK(table.exchange.is_closing());
}

TEST_CASE("exchange: two on one bench do not mix, wherever they are cut") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  std::vector<char> space(4096);
  Bench bench{.space = space};
  struct Side {
    Exchange exchange;
    std::string rest;
    std::string expected;
    std::string answers = {};
  };
  std::vector<Side> sides;
  for (int name = 0; name < 5; ++name) {
    std::string requests;
    for (int i = 0; i < 30; ++i)
      requests += i % 7 == 3 ? get("/bytes/" + std::to_string(random() % 9000))
                             : get("/echo/" + std::to_string(name) + "-" + std::to_string(i));
    sides.push_back({Exchange(bench), requests, without_dates(reference_answers(requests))});
  }
  for (int turn = 0; turn < 40'000; ++turn) {
    Side& side = sides[random() % sides.size()];
    Exchange& exchange = side.exchange;
    exchange.take_up();
    if (!exchange.has_outgoing() && !side.rest.empty()) {
      const std::size_t most = std::min(exchange.room().size(), side.rest.size());
      const std::size_t count = std::min<std::size_t>(most, 1 + random() % 200);
      side.rest.copy(exchange.room().data(), count);
      side.rest.erase(0, count);
      exchange.received(count);
    }
    while (exchange.next_request() != nullptr) exchange.answer(answer_to(exchange.request()));
    if (exchange.has_outgoing()) {
      const std::string_view bytes = exchange.outgoing().substr(0, 1 + random() % 3000);
      side.answers += bytes;
      exchange.sent(bytes.size());
    }
    exchange.stow();
  }
  for (const Side& side : sides) CHECK(without_dates(side.answers) == side.expected);
}

TEST_CASE("exchange: a long answer is the pattern, however it is taken") {
  for (const std::size_t at_a_time : {1u, 7u, 1000u, 100'000u}) {
    Table table(2048);
    table.receive_bytes(get("/bytes/5000"));
    table.answer_all();
    const std::string text = table.send_all(at_a_time, at_a_time == 7);
    CAPTURE(at_a_time);
    CHECK(without_dates(text) == without_dates(reference_answers(get("/bytes/5000"))));
  }
}

TEST_CASE("exchange: head and first part of a long answer leave in one send") {
  Table table;
  table.receive_bytes(get("/bytes/100"));
  table.answer_all();
  const std::string all(table.exchange.outgoing());
  CHECK(body_of(all).size() == 100);
}

TEST_CASE("exchange: HEAD is told the size and gets no body") {
  for (const char* target : {"/bytes/1000", "/echo/hello", "/", "/unknown"}) {
    Table table;
    const std::string request = std::string("HEAD ") + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
    table.receive_bytes(request);
    table.answer_all();
    const std::string answer = table.send_all();
    CAPTURE(target);
    CHECK(body_of(answer).empty());
    CHECK(without_dates(answer) == without_dates(reference_answers(request)));
  }
  Table table;
  table.receive_bytes("HEAD / HTTP/1.1\r\n\r\n");
  CHECK(table.answer_all() == 0);
  INFO("refused, it gets no body either");
  CHECK(body_of(table.send_all()).empty());
}

TEST_CASE("exchange: Connection: close is answered and ends the exchange, whatever is behind it") {
  Table table;
  table.receive_bytes("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + hello);
  CHECK(table.answer_all() == 1);
  CHECK(table.exchange.is_closing());
  CHECK(table.exchange.next_request() == nullptr);
  CHECK(table.send_all().find("\r\nConnection: close\r\n") != std::string::npos);
  INFO("what is behind it was not read to its end: read on a while before closing");
  CHECK(table.exchange.should_linger());

  Table other;
  other.receive_bytes("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  CHECK(other.answer_all() == 1);
  other.send_all();
  INFO("nothing is behind this one");
  CHECK(other.exchange.is_closing());
  CHECK_FALSE(other.exchange.should_linger());
}

TEST_CASE("exchange: a request that cannot be understood is refused and ends the exchange") {
  Table table;
  table.receive_bytes(hello + "nonsense\r\n\r\n" + hello);
  CHECK(table.answer_all() == 1);
  CHECK(table.exchange.is_closing());
  INFO("lingering begins when the refusal has left, not before");
  CHECK_FALSE(table.exchange.should_linger());
  const std::string answers = table.send_all();
  CHECK(answers.find("HTTP/1.1 200 OK\r\n") == 0);
  CHECK(answers.find("HTTP/1.1 400 Bad Request\r\n") != std::string::npos);
  CHECK(table.exchange.should_linger());
  CHECK(table.exchange.next_request() == nullptr);
}

TEST_CASE("exchange: a request that does not come in time is refused") {
  Table table;
  table.receive_bytes("GET / HT");
  table.wait();
  table.exchange.refuse(408);
  CHECK(table.exchange.is_closing());
  CHECK(table.send_all().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_CASE("exchange: the longest echo fits on the smallest bench") {
  const std::string text(max_request_target - 6, 'x');
  const std::string request = get("/echo/" + text);
  for (const std::size_t size : {600u, 1024u, 2048u, 32'768u}) {
    Table table(size);
    for (std::string_view rest = request; !rest.empty();) {
      const std::size_t count = std::min(rest.size(), table.exchange.room().size());
      table.receive_bytes(rest.substr(0, count));
      rest.remove_prefix(count);
      if (!rest.empty()) {
        CHECK(table.exchange.next_request() == nullptr);
        table.wait();
      }
    }
    CAPTURE(size);
    CHECK(table.answer_all() == 1);
    CHECK(body_of(table.send_all(100, true)) == text);
  }
}
