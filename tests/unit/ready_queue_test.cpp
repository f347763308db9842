#include "nonblocking/ready_queue.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "tests/unit/socket_pair.hpp"

namespace {

std::vector<void*> ready(ReadyQueue& queue, int milliseconds = 0) {
  const auto owners = queue.wait(milliseconds);
  return {owners.begin(), owners.end()};
}

using Owners = std::vector<void*>;

}  // namespace

TEST_CASE("ready queue: it says whose wait is over, as often as it is asked") {
  ReadyQueue queue;
  const SocketPair pair = make_pair(Blocking::no);
  int owner = 0;
  REQUIRE(queue.watch({pair.server.fd(), Interest::readable}, &owner));
  CHECK(ready(queue).empty());
  send_some(pair.client.fd(), "ab");
  CHECK(ready(queue, 1000) == Owners{&owner});
  INFO("level-triggered: ready as long as there is something");
  CHECK(ready(queue) == Owners{&owner});
  std::string got;
  read_what_is_there(pair.server.fd(), got, 1);
  CHECK(ready(queue) == Owners{&owner});
  read_what_is_there(pair.server.fd(), got);
  CHECK(ready(queue).empty());
}

TEST_CASE("ready queue: the end of the stream makes readable, and ends a wait for room, too") {
  ReadyQueue queue;
  for (const Interest interest : {Interest::readable, Interest::writable}) {
    SocketPair pair = make_pair(Blocking::no, 4096);
    send_what_fits(pair.server.fd(), std::string(1 << 20, 'x'));
    int owner = 0;
    REQUIRE(queue.watch({pair.server.fd(), interest}, &owner));
    CHECK(ready(queue).empty());
    if (interest == Interest::readable)
      REQUIRE(shutdown(pair.client.fd(), SHUT_WR) == 0);
    else
      pair.client = Descriptor();
    CHECK(ready(queue, 1000) == Owners{&owner});
    queue.forget({pair.server.fd(), interest});
  }
}

TEST_CASE("ready queue: a wait can be turned around") {
  ReadyQueue queue;
  const SocketPair pair = make_pair(Blocking::no, 4096);
  const Wait read{pair.server.fd(), Interest::readable};
  const Wait write{pair.server.fd(), Interest::writable};
  int owner = 0;
  int other = 0;
  send_some(pair.client.fd(), "x");
  REQUIRE(queue.watch(read, &owner));
  CHECK(ready(queue, 1000) == Owners{&owner});
  REQUIRE(queue.change(read, write, &other));
  INFO("there is room, and there is a byte; only the room counts, and the new owner");
  CHECK(ready(queue, 1000) == Owners{&other});
  send_what_fits(pair.server.fd(), std::string(1 << 20, 'x'));
  CHECK(ready(queue).empty());
  REQUIRE(queue.change(write, read, &owner));
  CHECK(ready(queue, 1000) == Owners{&owner});
}

TEST_CASE("ready queue: what is forgotten is not ready, and can be watched anew") {
  ReadyQueue queue;
  const SocketPair pair = make_pair(Blocking::no);
  const Wait read{pair.server.fd(), Interest::readable};
  int owner = 0;
  int other = 0;
  REQUIRE(queue.watch(read, &owner));
  send_some(pair.client.fd(), "x");
  queue.forget(read);
  CHECK(ready(queue).empty());
  INFO("forgetting twice is harmless");
  queue.forget(read);
  REQUIRE(queue.watch(read, &other));
  CHECK(ready(queue, 1000) == Owners{&other});
}

TEST_CASE("ready queue: a closed descriptor's number says nothing about its next owner") {
  ReadyQueue queue;
  int gone = 0;
  int present = 0;
  int number = -1;
  {
    const SocketPair pair = make_pair(Blocking::no);
    number = pair.server.fd();
    REQUIRE(queue.watch({number, Interest::readable}, &gone));
    send_some(pair.client.fd(), "x");
    queue.forget({number, Interest::readable});
  }
  const SocketPair pair = make_pair(Blocking::no);
  REQUIRE((pair.server.fd() == number || pair.client.fd() == number));
  const Descriptor& reused = pair.server.fd() == number ? pair.server : pair.client;
  const Descriptor& peer = pair.server.fd() == number ? pair.client : pair.server;
  CHECK(ready(queue).empty());
  REQUIRE(queue.watch({reused.fd(), Interest::readable}, &present));
  CHECK(ready(queue).empty());
  send_some(peer.fd(), "x");
  CHECK(ready(queue, 1000) == Owners{&present});
}

TEST_CASE("ready queue: what cannot be watched is refused with errno") {
  ReadyQueue queue;
  int owner = 0;
  CHECK_FALSE(queue.watch({1'000'000, Interest::readable}, &owner));
  CHECK(errno == EBADF);
}

TEST_CASE("ready queue: when more are ready than one call tells, the next calls tell the rest") {
  ReadyQueue queue;
  std::vector<SocketPair> pairs;
  constexpr std::size_t many = 300;  // more than are told at once
  for (std::size_t i = 0; i < many; ++i) pairs.push_back(make_pair(Blocking::no));
  for (SocketPair& pair : pairs) {
    REQUIRE(queue.watch({pair.server.fd(), Interest::readable}, &pair));
    send_some(pair.client.fd(), "x");
  }
  Owners served;
  for (int round = 0; round < 3; ++round)
    for (void* owner : ready(queue)) {
      std::string got;
      read_what_is_there(static_cast<SocketPair*>(owner)->server.fd(), got);
      served.push_back(owner);
    }
  std::sort(served.begin(), served.end());
  CHECK(std::unique(served.begin(), served.end()) == served.end());
  CHECK(served.size() == many);
}
