// poll_spins — two ways to make poll(2) come back at once, for ever, with nothing done.
//
// Lesson 4 quotes what is labelled WRONG. The cases show that it is, and that its neighbour is not.
#include <doctest/doctest.h>
#include <poll.h>

#include <array>
#include <string>

#include "tests/unit/socket_pair.hpp"

namespace {

void read_from(pollfd& entry) {
  std::array<char, 1024> room;
  if (receive(entry.fd, room) == 0) entry.fd = -1;  // poll passes over negative descriptors
}

// WRONG: a client that is watched for nothing resets its connection. POLLHUP comes unasked for,
// POLLIN does not.
void serve_wrongly(pollfd& entry) {
  if (entry.revents & POLLIN) read_from(entry);
}

// RIGHT: whatever has happened, recv tells what it was.
void serve(pollfd& entry) {
  if (entry.revents != 0) read_from(entry);
}

// WRONG: a socket with room in its send buffer is writable, all the time.
short wanted_wrongly(const std::string&) {
  return POLLIN | POLLOUT;
}

// RIGHT: writable is asked for only while something is unsent.
short wanted(const std::string& unsent) {
  return unsent.empty() ? POLLIN : POLLOUT;
}

constexpr int many = 1000;

// How many of so many calls would not have parked, if each is served as told.
template <class Serve>
int calls_that_come_back_at_once(pollfd& entry, Serve serve_it) {
  for (int calls = 0; calls < many; ++calls) {
    if (poll(&entry, 1, 0) == 0) return calls;
    serve_it(entry);
  }
  return many;
}

}  // namespace

TEST_CASE("wrong code: who looks for POLLIN only never hears that a client has hung up") {
  SocketPair pair = make_pair(Blocking::no);
  pollfd entry{pair.server.fd(), 0, 0};  // its answer is being made elsewhere: nothing to wait for
  pair.client = Descriptor();            // between Unix sockets, as these are, a close is enough
  CHECK(calls_that_come_back_at_once(entry, serve_wrongly) == many);
  CHECK(calls_that_come_back_at_once(entry, serve) == 1);
}

TEST_CASE("wrong code: who always asks for writable never sleeps") {
  const SocketPair pair = make_pair(Blocking::no);
  const std::string nothing_to_send;
  const auto only_look = [](pollfd&) {};
  pollfd entry{pair.server.fd(), wanted_wrongly(nothing_to_send), 0};
  CHECK(calls_that_come_back_at_once(entry, only_look) == many);
  entry.events = wanted(nothing_to_send);
  CHECK(calls_that_come_back_at_once(entry, only_look) == 0);
}
