#include "common/signals.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>

#include "tests/kit/forked.hpp"
#include "tests/unit/socket_pair.hpp"

TEST_CASE("signals: a stop is asked for once, the second time it ends the process by the signal") {
  for (const int first : {SIGTERM, SIGINT}) {
    CAPTURE(first);
    const ChildEnd end = run_in_child([first] {
      const Counters counters;
      const Signals signals(counters);
      const int stop = signals.stop_descriptor();
      demand(!signals.stop_requested() && !is_ready(stop, POLLIN),
             "nobody has asked for a stop yet");
      demand((fcntl(stop, F_GETFD) & FD_CLOEXEC) != 0, "it is not handed down to other programs");
      errno = 4711;
      raise(SIGUSR1);
      raise(first);
      demand(errno == 4711, "handlers leave errno alone");
      demand(signals.stop_requested(), "after the signal a stop is requested");
      demand(is_ready(stop, POLLIN), "after the signal the descriptor is readable");
      struct sigaction action {};
      sigaction(SIGUSR1, nullptr, &action);
      demand((action.sa_flags & SA_RESTART) == 0, "a waiting call comes back with EINTR");
      raise(first == SIGTERM ? SIGINT : SIGTERM);
      demand(false, "a process that got a second signal runs no further");
    });
    CAPTURE(end.err);
    CHECK(end.signal == (first == SIGTERM ? SIGINT : SIGTERM));
  }
}

TEST_CASE("signals: SIGUSR1 prints the counters as one line, and the longest fits") {
  const ChildEnd end = run_in_child([] {
    Counters counters;
    counters.accepted = 12;
    counters.closed = 9;
    counters.requests = 40;
    counters.wakeups = 2;
    counters.waits = 0;
    const Signals signals(counters);
    raise(SIGUSR1);
    for (auto* counter :
         {&counters.accepted, &counters.requests, &counters.wakeups, &counters.waits})
      *counter = 18446744073709551615u;
    counters.closed = 0;
    raise(SIGUSR1);
    demand(!signals.stop_requested(), "SIGUSR1 stops nothing");
  });
  const std::string most = "18446744073709551615";
  CHECK(end.exit_status == 0);
  CHECK(end.err == "accepted 12 open 3 requests 40 wakeups 2 waits 0\naccepted " + most + " open " +
                       most + " requests " + most + " wakeups " + most + " waits " + most + "\n");
}

TEST_CASE("signals: a stop ends the stream of the one client that is being waited for") {
  const ChildEnd end = run_in_child([] {
    const Counters counters;
    Signals signals(counters);
    const SocketPair pair = make_pair(Blocking::no);
    const SocketPair left_alone = make_pair(Blocking::no);
    signals.end_stream_on_stop(left_alone.server.fd());
    signals.end_stream_on_stop(-1);
    std::array<char, 8> room;
    raise(SIGTERM);
    demand(receive(left_alone.server.fd(), room) < 0 && is_not_ready(errno),
           "the stream of a client that was taken back goes on");
    signals.end_stream_on_stop(pair.server.fd());
    demand(receive(pair.server.fd(), room) == 0, "a stop that came before it was named ends it");
    demand(send_some(pair.server.fd(), "x") == 1, "responses can still be sent");
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}

TEST_CASE("signals: when the object has gone its signals do nothing, until another one is there") {
  const ChildEnd end = run_in_child([] {
    const Counters counters;
    for (int round = 0; round < 2; ++round) {
      {
        const Signals signals(counters);
        demand(!signals.stop_requested(), "a new one knows of no stop");
        if (round == 0) raise(SIGTERM);
        demand(signals.stop_requested() == (round == 0), "its own stop is heard");
      }
      for (const int signal : {SIGTERM, SIGTERM, SIGINT, SIGUSR1}) raise(signal);
    }
  });
  CHECK(end.exit_status == 0);
  CHECK(end.err.empty());
}
