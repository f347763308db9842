#include "common/signals.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "common/counters.hpp"
#include "tests/kit/forked.hpp"
#include "tests/unit/socket_pair.hpp"

TEST_CASE(
    "signals: the first SIGTERM or SIGINT asks for a stop, and the descriptor stays readable") {
  for (const int signal : {SIGTERM, SIGINT}) {
    CAPTURE(signal);
    const ChildEnd end = run_in_child([signal] {
      const int stop = install_signal_handlers();
      demand(!stop_requested(), "nobody has asked for a stop yet");
      demand(!is_ready(stop, POLLIN), "before the signal the descriptor is not readable");
      raise(signal);
      demand(stop_requested(), "after the signal a stop is requested");
      demand(is_ready(stop, POLLIN), "after the signal the descriptor is readable");
      demand(is_ready(stop, POLLIN), "and it is so again: nobody reads it");
      demand((fcntl(stop, F_GETFD) & FD_CLOEXEC) != 0, "it is not handed down to other programs");
    });
    CAPTURE(end.err);
    CHECK(end.exit_status == 0);
  }
}

TEST_CASE("signals: the second one ends the process at once, by the signal itself") {
  for (const int second : {SIGTERM, SIGINT}) {
    const ChildEnd end = run_in_child([second] {
      install_signal_handlers();
      raise(SIGTERM);
      raise(second);
      demand(false, "a process that got a second signal runs no further");
    });
    CAPTURE(end.err);
    CHECK(end.signal == second);
  }
}

TEST_CASE("signals: SIGUSR1 prints the counters as one line") {
  const ChildEnd end = run_in_child([] {
    counters.accepted = 12;
    counters.closed = 9;
    counters.requests = 40;
    counters.wakeups = 18446744073709551615u;
    counters.waits = 0;
    install_signal_handlers();
    raise(SIGUSR1);
    demand(!stop_requested(), "SIGUSR1 stops nothing");
  });
  CHECK(end.exit_status == 0);
  CHECK(end.err == "accepted 12 open 3 requests 40 wakeups 18446744073709551615 waits 0\n");
}

TEST_CASE("signals: the longest line of counters fits") {
  const ChildEnd end = run_in_child([] {
    for (auto* counter :
         {&counters.accepted, &counters.requests, &counters.wakeups, &counters.waits})
      *counter = 18446744073709551615u;
    counters.closed = 0;
    install_signal_handlers();
    raise(SIGUSR1);
  });
  const std::string most = "18446744073709551615";
  CHECK(end.exit_status == 0);
  CHECK(end.err == "accepted " + most + " open " + most + " requests " + most + " wakeups " + most +
                       " waits " + most + "\n");
}

TEST_CASE("signals: sending to a client who has left is an error, not the end") {
  const ChildEnd end = run_in_child([] {
    SocketPair pair = make_pair(Blocking::yes);
    std::signal(SIGPIPE, SIG_DFL);
    install_signal_handlers();
    pair.client = Descriptor();
    demand(send_some(pair.server.fd(), "hello") < 0 && errno == EPIPE, "send says EPIPE");
  });
  CAPTURE(end.err);
  CHECK(end.signal == 0);
  CHECK(end.exit_status == 0);
}

TEST_CASE("signals: handlers leave errno alone and interrupt a wait") {
  const ChildEnd end = run_in_child([] {
    install_signal_handlers();
    errno = 4711;
    raise(SIGUSR1);
    demand(errno == 4711, "errno is as it was before SIGUSR1");
    raise(SIGTERM);
    demand(errno == 4711, "errno is as it was before SIGTERM");
    struct sigaction action {};
    sigaction(SIGUSR1, nullptr, &action);
    demand((action.sa_flags & SA_RESTART) == 0, "a waiting call comes back with EINTR");
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}

TEST_CASE("signals: a stop ends the stream of the one client that is being waited for") {
  const ChildEnd end = run_in_child([] {
    install_signal_handlers();
    const SocketPair pair = make_pair(Blocking::yes);
    end_stream_on_stop(pair.server.fd());
    demand(!is_ready(pair.server.fd(), POLLIN), "without a signal the stream goes on");
    raise(SIGTERM);
    std::array<char, 8> room;
    demand(receive(pair.server.fd(), room) == 0, "after the signal recv comes back with 0");
    demand(send_some(pair.server.fd(), "x") == 1, "answers can still be sent");
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}

TEST_CASE("signals: a stop that came before the client was named ends its stream, too") {
  const ChildEnd end = run_in_child([] {
    install_signal_handlers();
    raise(SIGTERM);
    const SocketPair pair = make_pair(Blocking::yes);
    end_stream_on_stop(pair.server.fd());
    std::array<char, 8> room;
    demand(receive(pair.server.fd(), room) == 0, "recv does not park");
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}

TEST_CASE("signals: a client taken back is left alone") {
  const ChildEnd end = run_in_child([] {
    install_signal_handlers();
    const SocketPair pair = make_pair(Blocking::no);
    end_stream_on_stop(pair.server.fd());
    end_stream_on_stop(-1);
    raise(SIGTERM);
    std::array<char, 8> room;
    demand(receive(pair.server.fd(), room) < 0 && is_not_ready(errno), "its stream goes on");
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}
