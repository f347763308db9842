// Conversations turn by turn. What they answer and how they end, the behaviour checks show, and the
// faults what they do without memory; here is what only a turn or the memory in use shows. Both
// shapes that a loop can drive must pass every case.
#include "common/conversation.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include <csignal>
#include <string>
#include <vector>

#include "common/clients.hpp"
#include "nonblocking/await_conversation.hpp"
#include "tests/kit/forked.hpp"
#include "tests/kit/response.hpp"
#include "tests/unit/memory.hpp"
#include "tests/unit/socket_pair.hpp"
#include "tests/unit/test_context.hpp"

namespace {

const std::string hello = get("/echo/hello");

// A conversation and its client.
template <class Shape>
struct Table {
  explicit Table(int buffer = 0, std::uint16_t backend_port = 0)
      : world(backend_port),
        pair(make_pair(Blocking::no, buffer)),
        request_wait{pair.server.fd(), Interest::readable},
        conversation(std::move(pair.server), world.context),
        turn{.wait = request_wait} {}

  void say(std::string_view bytes) const {
    REQUIRE(send_what_fits(pair.client.fd(), bytes) == bytes.size());
  }

  bool is_wait_over(int milliseconds = 0) const {
    return turn.wait &&
           is_ready(turn.wait->fd, turn.wait->interest == Interest::readable ? POLLIN : POLLOUT,
                    milliseconds);
  }

  // One turn. Returns whether there is another to come.
  bool resume() {
    turn = conversation.resume();
    return turn.wait.has_value();
  }

  // Lets the conversation go on as long as its wait is over.
  void run() {
    while (is_wait_over()) resume();
  }

  std::string heard() const {
    std::string got;
    read_what_is_there(pair.client.fd(), got);
    return got;
  }

  TestContext world;
  SocketPair pair;
  Wait request_wait;
  Shape conversation;
  Turn turn;
};

// The backend's end of the connection that somebody has asked for.
Descriptor accept_asker(const Descriptor& backend) {
  REQUIRE(is_ready(backend.fd(), POLLIN, 1000));
  return accept_client(backend.fd(), Blocking::no);
}

const std::string row_text = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nrow";

}  // namespace

// What an idle client costs, with its place in the loop's list.
static_assert(sizeof(Client<Conversation, Wait>) <= 104);

TEST_CASE_TEMPLATE(
    "conversation: read a request, write the response: one turn, and the same wait again", Shape,
    Conversation, AwaitConversation) {
  Table<Shape> table;
  for (int i = 0; i < 3; ++i) {
    table.say(hello);
    table.resume();
    CHECK(table.heard().ends_with("\r\n\r\nhello"));
    CHECK(table.turn.progress == Progress::new_time);
    INFO("nothing to tell the kernel anew");
    CHECK(table.turn.wait == table.request_wait);
    CHECK_FALSE(table.turn.closed);
  }
}

TEST_CASE_TEMPLATE("conversation: what a turn has brought", Shape, Conversation,
                   AwaitConversation) {
  Table<Shape> table(4096);
  const auto brings = [&table](std::string_view said) {
    table.say(said);
    table.resume();
    return table.turn.progress;
  };
  CHECK(brings("") == Progress::none);
  INFO("the first byte starts the client's time anew, the others do not, the last one does");
  CHECK(brings("G") == Progress::new_time);
  CHECK(brings("ET /bytes/1000000 HTT") == Progress::some);
  CHECK(brings("P/1.1\r\nHost: a\r\n\r\n") == Progress::new_time);
  CHECK(brings("") == Progress::none);  // the socket is full
  CHECK(table.heard().size() > 0);
  CHECK(brings("") == Progress::new_time);
}

TEST_CASE_TEMPLATE("conversation: a turn is one send, of sixteen responses or one that is computed",
                   Shape, Conversation, AwaitConversation) {
  // How many responses each turn brings, until the last request is answered.
  const auto turns = [](const std::string& requests, std::size_t count) {
    Table<Shape> table;
    table.say(requests);
    std::vector<std::size_t> responses;
    for (std::size_t all = 0; all < count; all += responses.back()) {
      REQUIRE(responses.size() < count);
      table.resume();
      const std::string got = table.heard();
      responses.push_back(0);
      for (std::size_t at = 0; (at = got.find("HTTP/1.1 200 OK\r\n", at)) != got.npos; ++at)
        ++responses.back();
    }
    return responses;
  };
  CHECK(turns(repeated(hello, 35), 35) == std::vector<std::size_t>{16, 16, 3});
  CHECK(turns(hello + repeated(get("/spin/0"), 2) + hello, 4) == std::vector<std::size_t>{2, 1, 1});
  INFO("none stays behind a long one, and only what is certain to fit joins the others");
  CHECK(turns(hello + get("/bytes/5") + hello, 3) == std::vector<std::size_t>{2, 1});
  CHECK(turns(repeated(get("/echo/" + std::string(4000, 'x')), 3) + hello, 4) ==
        std::vector<std::size_t>{3, 1});
  Table<Shape> table;
  table.say(get("/bytes/1000000"));
  table.resume();
  CHECK(table.heard().size() <= Buffer::capacity);
}

TEST_CASE_TEMPLATE("conversation: a row, and what is told of the backend's socket", Shape,
                   Conversation, AwaitConversation) {
  const Descriptor backend = listen_on("127.0.0.1", 0);
  Table<Shape> table(0, local_port(backend.fd()));
  INFO("a response that is ready leaves before the backend is asked; the next rows wait");
  table.say(hello + get("/row?1") + get("/row?2"));
  table.resume();
  CHECK(table.heard().ends_with("hello"));
  for (int row = 1; row <= 2; ++row) {
    CAPTURE(row);
    while (table.turn.wait->fd == table.request_wait.fd)
      REQUIRE((table.resume(), !table.turn.closed));
    while (table.turn.wait->interest == Interest::writable && table.is_wait_over(1000))
      REQUIRE((table.resume(), !table.turn.closed));
    const Wait backend_wait = *table.turn.wait;
    CHECK(backend_wait.fd != table.request_wait.fd);
    const Descriptor asked = accept_asker(backend);
    INFO("too early: the same wait again");
    table.resume();
    CHECK(table.turn.progress == Progress::none);
    CHECK_FALSE(table.turn.closed);
    CHECK(table.turn.wait == backend_wait);
    for (const std::string_view part : {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nr", "ow"}) {
      CHECK_FALSE(table.turn.closed);
      send_what_fits(asked.fd(), part);
      REQUIRE(table.is_wait_over(1000));
      table.resume();
    }
    CHECK(table.turn.closed);
    CHECK(table.turn.progress == Progress::new_time);
    CHECK(table.turn.wait->fd == table.request_wait.fd);
    CHECK(table.heard().ends_with("\r\n\r\nrow"));
  }
  table.run();
  CHECK(table.turn.wait == table.request_wait);
}

TEST_CASE_TEMPLATE("conversation: a backend's socket that the loop cannot wait on is a 503", Shape,
                   Conversation, AwaitConversation) {
  const Descriptor backend = listen_on("127.0.0.1", 0);
  Table<Shape> table(0, local_port(backend.fd()));
  table.world.context.descriptor_limit = table.pair.client.fd() + 1;  // the next one is too high
  table.say(get("/row"));
  table.run();
  CHECK(table.heard().starts_with("HTTP/1.1 503 "));
  CHECK(table.turn.wait == table.request_wait);
}

TEST_CASE("conversation: a coroutine's is moved before its first turn or not at all") {
  Table<AwaitConversation> table;
  AwaitConversation moved(std::move(table.conversation));
  CHECK(moved.resume().wait == table.request_wait);
#ifndef NDEBUG
  const ChildEnd end = run_in_child([&] { AwaitConversation late(std::move(moved)); });
  CHECK(end.signal == SIGABRT);
#endif
}

TEST_CASE_TEMPLATE("conversation: only what is unfinished has a buffer", Shape, Conversation,
                   AwaitConversation) {
  const Descriptor backend = listen_on("127.0.0.1", 0);
  Table<Shape> table(4096, local_port(backend.fd()));
  const auto memory_after = [&table](std::string_view said) {
    table.say(said);
    table.run();
    return allocations_in_use();
  };
  // All is measured before any of it is checked: a check uses memory, too.
  const std::string row = get("/row");
  const std::string large = get("/bytes/1000000");
  const std::string_view request = hello;
  const long idle = memory_after(hello);
  const long half = memory_after(request.substr(0, 20));
  const long whole = memory_after(request.substr(20));
  const long at_backend = memory_after(row);
  const Descriptor asked = accept_asker(backend);
  send_what_fits(asked.fd(), row_text);
  while (table.turn.wait != table.request_wait && table.is_wait_over(1000)) table.resume();
  const long with_row = memory_after("");
  (void)table.heard();
  const long in_response = memory_after(large);
  table.resume();
  const long too_early = allocations_in_use();
  CHECK(half == idle + 1);
  CHECK(whole == idle);
  INFO("the request; what is asked of the backend, in its struct or its frames; what it sends");
  CHECK(at_backend > idle);
  CHECK(at_backend <= idle + 6);
  CHECK(with_row == idle);
  INFO("a long response is made as it is sent");
  CHECK(in_response == idle);
  CHECK(too_early == idle);
  CHECK(table.turn.wait->interest == Interest::writable);
}

TEST_CASE_TEMPLATE("conversation: while draining it ends after what has come whole", Shape,
                   Conversation, AwaitConversation) {
  const std::string_view request = hello;
  for (const std::string& said : {std::string(), hello.substr(0, 20), hello,
                                  hello + hello.substr(0, 20), repeated(hello, 40)}) {
    CAPTURE(said.size());
    Table<Shape> table;
    table.resume();
    table.say(said);
    table.world.draining = true;
    table.resume();  // as a loop does when it stops
    table.run();
    CHECK_FALSE(table.turn.wait);
    const std::string got = table.heard();
    const std::size_t whole = said.size() / request.size();
    CHECK(table.world.counters.requests == whole);
    CHECK((got.find("Connection: close\r\n") != got.npos) == (whole > 0));
  }
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
      Table<Shape> table(4096, local_port(backend.fd()));
      table.say(said);
      table.run();
    }
    CHECK(allocations_in_use() == memory);
  }
}
