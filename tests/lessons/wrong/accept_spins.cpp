// accept_spins — what a loop does that has no descriptor for a client, and asks again at once.
//
// Lesson 9 quotes what is labelled WRONG. The cases show that it is, and that its neighbour is not.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "common/wait.hpp"
#include "tests/kit/forked.hpp"
#include "tests/unit/socket_pair.hpp"

using namespace std::chrono_literals;

namespace {

struct Loop {
  Descriptor listener = listen_on("127.0.0.1", 0);
  pollfd entry{listener.fd(), POLLIN, 0};
  Time resumes_at{};
  std::vector<Descriptor> clients;
  int lines_logged = 0;
};

// WRONG: the client still waits, so the listener is still readable, and poll comes back at once.
void accept_wrongly(Loop& loop) {
  Descriptor client = accept_client(loop.listener.fd(), Blocking::no);
  if (!client && is_exhaustion(errno)) ++loop.lines_logged;  // "accept failed", and the next turn
  if (client) loop.clients.push_back(std::move(client));
}

// RIGHT: without a descriptor nobody looks at the listener for a tenth of a second.
void accept_one(Loop& loop, Time now) {
  Descriptor client = accept_client(loop.listener.fd(), Blocking::no);
  if (!client && is_exhaustion(errno)) {
    loop.entry.fd = -1;  // poll passes over negative descriptors
    loop.resumes_at = now + 100ms;
  }
  if (client) loop.clients.push_back(std::move(client));
}

// A client in the backlog, and no descriptor left.
struct Exhaustion {
  Descriptor client;
  std::vector<Descriptor> hoard;

  explicit Exhaustion(const Loop& loop) {
    const std::string address = local_address(loop.listener.fd());
    const int port = std::atoi(address.substr(address.rfind(':') + 1).c_str());
    client = connect_blocking(static_cast<std::uint16_t>(port), 1s);
    demand(is_ready(loop.listener.fd(), POLLIN, 1000), "a client waits");
    const rlimit limit{64, 4096};
    demand(setrlimit(RLIMIT_NOFILE, &limit) == 0, "the limit can be set");
    while (Descriptor one{open("/dev/null", O_RDONLY)}) hoard.push_back(std::move(one));
  }
};

constexpr int many = 1000;

template <class Accept>
int calls_that_come_back_at_once(Loop& loop, Accept accept_it) {
  for (int calls = 0; calls < many; ++calls) {
    if (poll(&loop.entry, 1, 0) == 0) return calls;
    accept_it(loop);
  }
  return many;
}

}  // namespace

TEST_CASE("wrong code: without descriptors, a listener that is watched on and on never sleeps") {
  const ChildEnd end = run_in_child([] {
    Loop loop;
    const Exhaustion exhaustion(loop);
    demand(calls_that_come_back_at_once(loop, accept_wrongly) == many, "poll never parks");
    demand(loop.lines_logged == many, "and each time there is a line in the log");
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}

TEST_CASE("right code: it looks away, sleeps, and accepts the client later") {
  const ChildEnd end = run_in_child([] {
    Loop loop;
    Exhaustion exhaustion(loop);
    const Time now{};
    const auto accept = [now](Loop& it) { accept_one(it, now); };
    demand(calls_that_come_back_at_once(loop, accept) == 1, "once it comes back, then it parks");
    demand(loop.resumes_at == now + 100ms, "until it is time to look again");
    exhaustion.hoard.clear();
    loop.entry.fd = loop.listener.fd();
    demand(calls_that_come_back_at_once(loop, accept) == 1, "the client has waited");
    demand(loop.clients.size() == 1, "and is accepted");
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}
