// time_by_the_byte — what a client can do with time that starts anew for each byte.
//
// Lesson 9 quotes what is labelled WRONG. The cases show that it is, and that its neighbour is not.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

#include "common/wait.hpp"
#include "tests/unit/socket_pair.hpp"

using namespace std::chrono_literals;

namespace {

struct Client {
  int socket;
  Time deadline;
  std::string request;
};

// WRONG: the time starts anew with every byte.
void read_wrongly(Client& client, Time now) {
  std::array<char, 1024> room;
  if (receive(client.socket, room) > 0) client.deadline = now + 60s;
}

// RIGHT: it starts anew with the first byte of a request, and not with those that follow.
void read(Client& client, Time now) {
  std::array<char, 1024> room;
  const ssize_t count = receive(client.socket, room);
  if (count <= 0) return;
  if (client.request.empty()) client.deadline = now + 60s;
  client.request.append(room.data(), static_cast<std::size_t>(count));
}

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: somebody who is never in a hurry";

// A request that comes one byte a minute, less a second. How many bytes until its time runs out?
// The clock is ours, and nobody waits.
template <class Read>
std::size_t bytes_until_due(Read read_it) {
  const SocketPair pair = make_pair(Blocking::no);
  Time now{};
  Client client{pair.server.fd(), now + 60s, {}};
  for (std::size_t i = 0; i < request.size(); ++i, now += 59s) {
    if (now >= client.deadline) return i;
    send_what_fits(pair.client.fd(), request.substr(i, 1));
    read_it(client, now);
  }
  return request.size();
}

}  // namespace

TEST_CASE("wrong code: one byte a minute holds a connection for as long as the bytes last") {
  CHECK(bytes_until_due(read_wrongly) == request.size());
  CHECK(bytes_until_due(read) == 2);
}
