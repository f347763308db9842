// Conversations turn by turn. What they answer and how they end, the behaviour checks show, and the
// faults what they do without memory; here is what only a turn or the memory in use shows. Both
// shapes that a loop can drive must pass every case.
#include "common/conversation.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include <csignal>
#include <string>
#include <vector>

#include "nonblocking/await_conversation.hpp"
#include "tests/kit/forked.hpp"
#include "tests/unit/memory.hpp"
#include "tests/unit/socket_pair.hpp"

namespace {

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

const std::string hello = get("/echo/hello");

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// A conversation and its client.
template <class Shape>
struct Table {
  explicit Table(int buffer = 0, std::uint16_t backend_port = 0)
      : surroundings(backend_port),
        pair(make_pair(Blocking::no, buffer)),
        conversation(std::move(pair.server), surroundings),
        wait(conversation.request_wait()) {}

  void say(std::string_view bytes) const {
    REQUIRE(send_what_fits(pair.client.fd(), bytes) == bytes.size());
  }

  // Lets the conversation go on as long as its wait is over.
  void run() {
    while (wait && is_ready(wait->fd, wait->until == Until::readable ? POLLIN : POLLOUT))
      wait = conversation.resume();
  }

  std::string heard() const {
    std::string got;
    read_what_is_there(pair.client.fd(), got);
    return got;
  }

  Surroundings surroundings;
  SocketPair pair;
  Shape conversation;
  std::optional<Wait> wait;
};

}  // namespace

TEST_CASE_TEMPLATE(
    "conversation: read a request, write the answer: one turn, and the same wait again", Shape,
    Conversation, AwaitConversation) {
  Table<Shape> table;
  for (int i = 0; i < 3; ++i) {
    table.say(hello);
    table.wait = table.conversation.resume();
    CHECK(table.heard().ends_with("\r\n\r\nhello"));
    CHECK(table.conversation.has_progressed());
    INFO("nothing to tell the kernel anew");
    CHECK(table.wait == table.conversation.request_wait());
  }
}

TEST_CASE_TEMPLATE("conversation: a turn is one send, of sixteen answers or one that is computed",
                   Shape, Conversation, AwaitConversation) {
  // How many answers each turn brings, until the last request is answered.
  const auto turns = [](const std::string& requests, std::size_t count) {
    Table<Shape> table;
    table.say(requests);
    std::vector<std::size_t> answers;
    for (std::size_t all = 0; all < count; all += answers.back()) {
      REQUIRE(answers.size() < count);
      table.wait = table.conversation.resume();
      const std::string got = table.heard();
      answers.push_back(0);
      for (std::size_t at = 0; (at = got.find("HTTP/1.1 200 OK\r\n", at)) != got.npos; ++at)
        ++answers.back();
    }
    return answers;
  };
  CHECK(turns(repeated(hello, 35), 35) == std::vector<std::size_t>{16, 16, 3});
  CHECK(turns(hello + repeated(get("/spin/0"), 2) + hello, 4) == std::vector<std::size_t>{2, 1, 1});
  Table<Shape> table;
  table.say(get("/bytes/1000000"));
  table.wait = table.conversation.resume();
  CHECK(table.heard().size() <= table.surroundings.space.size());
}

TEST_CASE_TEMPLATE("conversation: a refused client is listened to for a while, not for ever", Shape,
                   Conversation, AwaitConversation) {
  for (const std::size_t piece : {1400u, 10'000u}) {
    Table<Shape> table;
    table.say("nonsense\r\n\r\n");
    table.run();
    CHECK(table.heard().starts_with("HTTP/1.1 400 "));
    std::size_t said = 0;
    for (; table.wait && said < 10'000'000; said += piece) {
      table.say(std::string(piece, 'x'));
      table.run();
      CHECK_FALSE(table.conversation.has_progressed());
    }
    CHECK(said >= 1 << 20);
    CHECK(said < 1'100'000);
  }
}

TEST_CASE_TEMPLATE("conversation: a backend's socket that the loop cannot wait on is a 503", Shape,
                   Conversation, AwaitConversation) {
  const Descriptor backend = listen_on("127.0.0.1", 0);
  Table<Shape> table(0, port_of(backend.fd()));
  table.surroundings.descriptor_limit = table.pair.client.fd() + 1;  // the next one is too high
  table.say(get("/row"));
  table.run();
  CHECK(table.heard().starts_with("HTTP/1.1 503 "));
  CHECK(table.wait == table.conversation.request_wait());
}

TEST_CASE("conversation: a coroutine's is moved before its first turn or not at all") {
  Table<AwaitConversation> table;
  AwaitConversation moved(std::move(table.conversation));
  CHECK(moved.resume() == moved.request_wait());
#ifndef NDEBUG
  const ChildEnd end = run_in_child([&] { AwaitConversation late(std::move(moved)); });
  CHECK(end.signal == SIGABRT);
#endif
}

TEST_CASE_TEMPLATE("conversation: idle or in a long answer it keeps no buffer", Shape, Conversation,
                   AwaitConversation) {
  Table<Shape> table(4096);
  const auto memory_after = [&table](std::string_view said) {
    table.say(said);
    table.run();
    return allocations_in_use();
  };
  const std::string large = get("/bytes/1000000");
  // All is measured before any of it is checked: a check uses memory, too.
  const long idle = memory_after(hello);
  const std::string_view request = hello;
  const long half = memory_after(request.substr(0, 20));
  const long whole = memory_after(request.substr(20));
  const long in_answer = memory_after(large);
  CHECK(half > idle);
  CHECK(whole == idle);
  INFO("a long answer is made as it is sent; a coroutine may have one frame more");
  CHECK(in_answer <= idle + 1);
  CHECK(table.wait->until == Until::writable);
}

TEST_CASE_TEMPLATE("conversation: whatever it waits for, destroying it frees everything", Shape,
                   Conversation, AwaitConversation) {
  const Descriptor backend = listen_on("127.0.0.1", 0);
  const std::string row = get("/row?1");
  for (const std::string& said :
       {std::string(), hello, std::string("GET / HT"), get("/bytes/1000000") + hello,
        std::string("nonsense\r\n\r\n"), row, hello + row + hello}) {
    const long memory = allocations_in_use();
    {
      Table<Shape> table(4096, port_of(backend.fd()));
      table.say(said);
      table.run();
    }
    CHECK(allocations_in_use() == memory);
  }
}
