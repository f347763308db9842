// client_leaves — what one client that leaves can do to all the others.
//
// Lesson 9 quotes what is labelled WRONG. The cases show that it is, and that its neighbour is not.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/kit/forked.hpp"
#include "tests/unit/socket_pair.hpp"

namespace {

// WRONG: one client that has left ends the server for all.
void answer_wrongly(int client, std::string_view text) {
  if (send(client, text.data(), text.size(), 0) < 0) {  // SIGPIPE ends it here, unless ignored...
    std::perror("send");
    std::exit(1);  // ...and if it is ignored, this does
  }
}

// RIGHT: SIGPIPE is ignored once, at the start; then a failed send ends this conversation only.
bool answer(int client, std::string_view text) {
  return send(client, text.data(), text.size(), 0) >= 0;
}

struct TwoClients {
  SocketPair gone = make_pair(Blocking::no);
  SocketPair there = make_pair(Blocking::no);
  TwoClients() { gone.client = Descriptor(); }

  bool the_other_is_answered() const {
    std::string got;
    read_what_is_there(there.client.fd(), got);
    return got == "hello";
  }
};

}  // namespace

TEST_CASE("wrong code: a send to a client that has left is the server's death by SIGPIPE") {
  const ChildEnd end = run_in_child([] {
    const TwoClients clients;
    std::signal(SIGPIPE, SIG_DFL);
    answer_wrongly(clients.gone.server.fd(), "hello");
    answer_wrongly(clients.there.server.fd(), "hello");
  });
  CHECK(end.signal == SIGPIPE);
}

TEST_CASE("wrong code: with SIGPIPE ignored it ends itself") {
  const ChildEnd end = run_in_child([] {
    const TwoClients clients;
    answer_wrongly(clients.gone.server.fd(), "hello");
    answer_wrongly(clients.there.server.fd(), "hello");
  });
  CHECK(end.exit_status == 1);
  CHECK(end.err.starts_with("send: "));
}

TEST_CASE("right code: the conversation with who has left is over, the other goes on") {
  const ChildEnd end = run_in_child([] {
    const TwoClients clients;
    demand(!answer(clients.gone.server.fd(), "hello"), "the conversation is over");
    demand(answer(clients.there.server.fd(), "hello"), "the other one goes on");
    demand(clients.the_other_is_answered(), "and is answered");
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}
