// answer_held — what a client that never reads costs, if its answer is made before it is sent.
//
// Lesson 9 quotes what is labelled WRONG. The case shows that it is, and that its neighbour is not.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/unit/socket_pair.hpp"

namespace {

std::string make_body(std::size_t from, std::size_t size) {
  std::string body(size, ' ');
  for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>('a' + (from + i) % 26);
  return body;
}

struct Client {
  int socket;
  std::string output;         // made and not yet sent
  std::size_t sent = 0;       // of the body
  std::size_t body_size = 0;  // of the whole
};

// WRONG: the answer is made whole, and sent when the client takes it.
void write_wrongly(Client& client) {
  if (client.output.empty()) client.output = make_body(0, client.body_size);
  const ssize_t count =
      send_some(client.socket, std::string_view(client.output).substr(client.sent));
  if (count > 0) client.sent += static_cast<std::size_t>(count);
}

// RIGHT: what the kernel has room for now is made now, and what it does not take is made again.
void write(Client& client) {
  constexpr std::size_t most = 16 * 1024;
  client.output = make_body(client.sent, std::min(most, client.body_size - client.sent));
  const ssize_t count = send_some(client.socket, client.output);
  if (count > 0) client.sent += static_cast<std::size_t>(count);
  client.output.clear();
}

constexpr std::size_t body_size = 5'000'000;

struct Held {
  std::size_t while_stuck;  // memory that the answer holds while the client does not read
  bool came_whole;          // when it does read, in the end
};

template <class Write>
Held serve_a_slow_reader(Write write_it) {
  const SocketPair pair = make_pair(Blocking::no, 4096);
  Client client{pair.server.fd(), {}, 0, body_size};
  for (std::size_t before = 1; before != client.sent;) {
    before = client.sent;
    write_it(client);
  }
  Held held{client.output.capacity(), false};
  std::string got;
  while (client.sent < body_size && read_what_is_there(pair.client.fd(), got)) write_it(client);
  read_what_is_there(pair.client.fd(), got);
  held.came_whole = got == make_body(0, body_size);
  return held;
}

}  // namespace

TEST_CASE("wrong code: an answer that is made before it can be sent is held for who never reads") {
  const Held wrong = serve_a_slow_reader(write_wrongly);
  CHECK(wrong.while_stuck >= body_size);
  CHECK(wrong.came_whole);
  const Held right = serve_a_slow_reader(write);
  CHECK(right.while_stuck <= 17 * 1024);
  CHECK(right.came_whole);
}
