// Conversations turn by turn: what they wait for, what they answer, and how they end. Both shapes
// that a loop can drive must pass every case.
#include "common/conversation.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "common/signals.hpp"
#include "nonblocking/await_conversation.hpp"
#include "tests/kit/forked.hpp"
#include "tests/unit/memory.hpp"
#include "tests/unit/socket_pair.hpp"

namespace {

const std::string hello = "GET /echo/hello HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string row = "GET /row?1 HTTP/1.1\r\nHost: a\r\n\r\n";

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

  bool waits_for_request() const { return wait == conversation.request_wait(); }
  bool waits_for_room() const {
    return wait && wait->until == Until::writable && !conversation.is_for_backend(*wait);
  }
  bool waits_for_backend() const { return wait && conversation.is_for_backend(*wait); }

  Surroundings surroundings;
  SocketPair pair;
  Shape conversation;
  std::optional<Wait> wait;
};

// A listener that plays the backend.
struct Backend {
  Descriptor listener = listen_on("127.0.0.1", 0);

  std::uint16_t port() const {
    const std::string address = local_address(listener.fd());
    return static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str()));
  }

  Descriptor next_asker() const {
    REQUIRE(is_ready(listener.fd(), POLLIN, 1000));
    return accept_client(listener.fd(), Blocking::no);
  }
};

// How many turns it may take until the backend's socket is connected and asked.
template <class Shape>
void ask(Table<Shape>& table) {
  table.say(row);
  table.run();
  REQUIRE(table.waits_for_backend());
}

}  // namespace

TEST_CASE_TEMPLATE("conversation: a silent client is waited for; resumed too early is harmless",
                   Shape, Conversation, AwaitConversation) {
  Table<Shape> table;
  CHECK(table.waits_for_request());
  for (int i = 0; i < 3; ++i) {
    table.wait = table.conversation.resume();
    CHECK(table.waits_for_request());
    CHECK_FALSE(table.conversation.has_progressed());
  }
  CHECK(table.heard().empty());
}

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
    CHECK(table.waits_for_request());
  }
}

TEST_CASE_TEMPLATE("conversation: the first byte of a request is progress, further bytes are not",
                   Shape, Conversation, AwaitConversation) {
  Table<Shape> table;
  for (std::size_t i = 0; i + 1 < hello.size(); ++i) {
    table.say(hello.substr(i, 1));
    table.wait = table.conversation.resume();
    CAPTURE(i);
    CHECK(table.conversation.has_progressed() == (i == 0));
    CHECK(table.waits_for_request());
  }
  table.say(hello.substr(hello.size() - 1));
  table.wait = table.conversation.resume();
  CHECK(table.conversation.has_progressed());
}

TEST_CASE_TEMPLATE("conversation: who does not read is not read from", Shape, Conversation,
                   AwaitConversation) {
  Table<Shape> table(4096);
  table.say("GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
  table.run();
  CHECK(table.waits_for_room());
  table.say(hello);
  table.run();
  CHECK(table.waits_for_room());
  std::string got;
  while (read_what_is_there(table.pair.client.fd(), got) && !got.ends_with("hello")) table.run();
  CHECK(got.find("000000000999984\nHTTP/1.1 200 OK\r\n") != std::string::npos);
  CHECK(table.waits_for_request());
}

TEST_CASE_TEMPLATE("conversation: one send a turn, so that others get theirs", Shape, Conversation,
                   AwaitConversation) {
  Table<Shape> table;
  table.say("GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
  table.wait = table.conversation.resume();
  CHECK(table.waits_for_room());
  CHECK(table.heard().size() <= table.surroundings.space.size());
}

TEST_CASE_TEMPLATE("conversation: the client ends its stream, leaves, or leaves in the middle",
                   Shape, Conversation, AwaitConversation) {
  for (const std::string& said : {std::string(), hello.substr(0, 9), hello}) {
    Table<Shape> ending;
    ending.say(said);
    REQUIRE(shutdown(ending.pair.client.fd(), SHUT_WR) == 0);
    ending.run();
    CHECK_FALSE(ending.wait);
    CHECK(ending.heard().empty() == (said != hello));

    Table<Shape> leaving;
    leaving.say(said);
    leaving.pair.client = Descriptor();
    leaving.run();
    CHECK_FALSE(leaving.wait);
  }
  Table<Shape> table(4096);
  table.say("GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
  table.run();
  table.pair.client = Descriptor();
  table.run();
  CHECK_FALSE(table.wait);
}

TEST_CASE_TEMPLATE("conversation: when the time runs out", Shape, Conversation, AwaitConversation) {
  SUBCASE("a client that never said anything is let go without a word") {
    Table<Shape> table;
    CHECK_FALSE(table.conversation.expire());
    CHECK(table.heard().empty());
  }
  SUBCASE("a client between two requests, too") {
    Table<Shape> table;
    table.say(hello);
    table.run();
    table.heard();
    CHECK_FALSE(table.conversation.expire());
    CHECK(table.heard().empty());
  }
  SUBCASE("an unfinished request is answered with 408, and then read to its end for a while") {
    Table<Shape> table;
    table.say("GET /");
    table.run();
    table.wait = table.conversation.expire();
    const std::string got = table.heard();
    CHECK(got.starts_with("HTTP/1.1 408 "));
    CHECK(got.find("\r\nConnection: close\r\n") != std::string::npos);
    REQUIRE(table.wait);
    CHECK_FALSE(table.conversation.expire());
  }
  SUBCASE("a client that does not take its answer is let go") {
    Table<Shape> table(4096);
    table.say("GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    table.run();
    CHECK(table.waits_for_room());
    CHECK_FALSE(table.conversation.expire());
  }
  SUBCASE("one that does not take a refusal is let go at once, too") {
    Table<Shape> table(4096);
    for (int i = 0; i < 200 && !table.waits_for_room(); ++i) {
      table.say(hello);
      table.run();
    }
    table.say("nonsense\r\n\r\n");
    table.run();
    REQUIRE(table.waits_for_room());
    CHECK_FALSE(table.conversation.expire());
  }
}

TEST_CASE_TEMPLATE("conversation: a refused client is listened to for a while, not for ever", Shape,
                   Conversation, AwaitConversation) {
  Table<Shape> table;
  table.say("nonsense\r\n\r\n");
  table.run();
  CHECK(table.heard().starts_with("HTTP/1.1 400 "));
  INFO("our side of the stream has ended");
  std::string nothing;
  CHECK_FALSE(read_what_is_there(table.pair.client.fd(), nothing));
  const std::string piece(10'000, 'x');
  std::size_t said = 0;
  for (; table.wait && said < 10'000'000; said += piece.size()) {
    table.say(piece);
    table.run();
    CHECK_FALSE(table.conversation.has_progressed());
  }
  CHECK(said >= 1 << 20);
  CHECK(said < 1'100'000);
}

TEST_CASE_TEMPLATE("conversation: a row is asked of the backend and relayed", Shape, Conversation,
                   AwaitConversation) {
  const Backend backend;
  Table<Shape> table(0, backend.port());
  table.say(hello + row + hello);
  table.run();
  INFO("who is answered already need not wait for the row");
  CHECK(table.heard().ends_with("\r\n\r\nhello"));
  REQUIRE(table.waits_for_backend());
  const Descriptor asker = backend.next_asker();
  std::string question;
  REQUIRE(is_ready(asker.fd(), POLLIN, 1000));
  read_what_is_there(asker.fd(), question);
  CHECK(question.starts_with("GET /row?1 HTTP/1.0\r\n"));
  send_what_fits(asker.fd(), "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nro");
  REQUIRE(is_ready(table.wait->fd, POLLIN, 1000));
  table.run();
  CHECK(table.waits_for_backend());
  CHECK(table.heard().empty());
  send_what_fits(asker.fd(), "w");
  REQUIRE(is_ready(table.wait->fd, POLLIN, 1000));
  table.run();
  const std::string got = table.heard();
  CHECK(got.find("\r\n\r\nrowHTTP/1.1 200 OK\r\n") != std::string::npos);
  CHECK(got.ends_with("\r\n\r\nhello"));
  CHECK(table.waits_for_request());
}

TEST_CASE_TEMPLATE("conversation: a backend that fails is a 502, a late one a 504, none a 502",
                   Shape, Conversation, AwaitConversation) {
  const Backend backend;
  SUBCASE("it closes without a word") {
    Table<Shape> table(0, backend.port());
    ask(table);
    { const Descriptor gone = backend.next_asker(); }
    REQUIRE(is_ready(table.wait->fd, POLLIN, 1000));
    table.run();
    CHECK(table.heard().starts_with("HTTP/1.1 502 "));
    CHECK(table.waits_for_request());
  }
  SUBCASE("it is silent") {
    Table<Shape> table(0, backend.port());
    ask(table);
    table.wait = table.conversation.expire();
    CHECK(table.heard().starts_with("HTTP/1.1 504 "));
    INFO("the connection goes on");
    CHECK(table.waits_for_request());
    table.say(hello);
    table.run();
    CHECK(table.heard().ends_with("hello"));
  }
  SUBCASE("nobody listens there") {
    std::uint16_t port = 0;
    {
      const Backend gone;
      port = gone.port();
    }
    Table<Shape> table(0, port);
    table.say(row);
    for (int i = 0; i < 100 && table.wait && !table.waits_for_request(); ++i) table.run();
    table.run();
    CHECK(table.heard().starts_with("HTTP/1.1 502 "));
  }
  SUBCASE("the server was given none") {
    Table<Shape> table;
    table.say(row);
    table.run();
    const std::string got = table.heard();
    CHECK(got.starts_with("HTTP/1.1 502 "));
    CHECK(got.find("slow_backend") != std::string::npos);
  }
}

TEST_CASE_TEMPLATE("conversation: a backend's socket that the loop cannot wait on is a 503", Shape,
                   Conversation, AwaitConversation) {
  const Backend backend;
  Table<Shape> table(0, backend.port());
  table.surroundings.descriptor_limit = table.pair.client.fd() + 1;  // the next one is too high
  table.say(row + hello);
  table.run();
  CHECK(table.waits_for_request());
  CHECK(table.heard().starts_with("HTTP/1.1 503 "));
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

TEST_CASE_TEMPLATE("conversation: whatever it waits for, destroying it frees everything", Shape,
                   Conversation, AwaitConversation) {
  const Backend backend;
  const auto leave = [&](const std::string& said, int buffer) {
    const long memory = allocations_in_use();
    {
      Table<Shape> table(buffer, backend.port());
      table.say(said);
      table.run();
    }
    CHECK(allocations_in_use() == memory);
  };
  leave("", 0);
  leave(hello, 0);
  leave("GET / HT", 0);
  leave("GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\n\r\n" + hello, 4096);
  leave("nonsense\r\n\r\n", 0);
  leave(row, 0);
  leave(hello + row + hello, 0);
}

TEST_CASE_TEMPLATE("conversation: without memory it is over, and nobody else is hurt", Shape,
                   Conversation, AwaitConversation) {
  const Backend backend;
  for (const std::string& said :
       {hello, std::string("GET / HT"), row,
        hello + "GET /bytes/100000 HTTP/1.1\r\nHost: a\r\n\r\n" + hello}) {
    bool ran_through = false;
    for (long successes = 0; !ran_through; ++successes) {
      REQUIRE(successes < 100);
      Table<Shape> table(4096, backend.port());
      table.say(said);
      fail_allocations_after(successes);
      for (int turn = 0; table.wait && turn < 5; ++turn) {
        if (is_ready(table.wait->fd, table.wait->until == Until::readable ? POLLIN : POLLOUT))
          table.wait = table.conversation.resume();
      }
      const bool has_failed = allocation_has_failed();
      fail_allocations_after(-1);
      CAPTURE(successes);
      if (has_failed) CHECK_FALSE(table.wait);
      ran_through = !has_failed;
    }
  }
}

TEST_CASE_TEMPLATE("conversation: a stop ends who waits for a request and finishes who is answered",
                   Shape, Conversation, AwaitConversation) {
  const ChildEnd end = run_in_child([] {
    install_signal_handlers();
    Table<Shape> idle;
    Table<Shape> taking(4096);
    send_what_fits(taking.pair.client.fd(),
                   "GET /bytes/100000 HTTP/1.1\r\nHost: a\r\n\r\n" + hello);
    taking.run();
    Table<Shape> late;
    send_what_fits(late.pair.client.fd(), hello);
    late.run();
    late.heard();
    send_what_fits(late.pair.client.fd(), hello);
    raise(SIGTERM);

    idle.wait = idle.conversation.resume();
    demand(!idle.wait, "who waits for a request is done");
    late.run();
    demand(!late.wait, "who has just asked is answered and done");
    demand(late.heard().find("\r\nConnection: close\r\n") != std::string::npos,
           "and is told that the connection ends");
    demand(taking.waits_for_room(), "who takes an answer goes on taking it");
    std::string got;
    while (taking.wait) {
      taking.run();
      read_what_is_there(taking.pair.client.fd(), got);
    }
    demand(got.size() > 100'000 && got.find("000000000099984\n") != std::string::npos,
           "to its end");
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}
