#include "common/socket.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "common/error.hpp"
#include "tests/kit/forked.hpp"
#include "tests/unit/socket_pair.hpp"

using namespace std::chrono_literals;

namespace {

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

int new_number() {
  const int fd = open("/dev/null", O_RDONLY);
  REQUIRE(fd >= 0);
  return fd;
}

const std::string plenty(4 << 20, 'x');  // certain not to fit

// Puts `fd` where a parent process would leave the listener.
void hand_down(int fd) {
  if (fd == 3) {
    fcntl(3, F_SETFD, 0);
  } else {
    demand(dup2(fd, 3) == 3, "descriptor 3 can be had");
  }
}

std::atomic<int> signals_seen = 0;

// Sends SIGUSR2 to a thread so often, each when the one before has been handled.
void interrupt(pthread_t target, int times) {
  for (; times > 0; --times) {
    const int before = signals_seen;
    pthread_kill(target, SIGUSR2);
    while (signals_seen == before) std::this_thread::sleep_for(1ms);
  }
}

}  // namespace

// -- ownership --

TEST_CASE("socket: a Descriptor closes what it owns, once, and moving it moves the duty to close") {
  const int fd = new_number();
  {
    Descriptor second;
    CHECK_FALSE(second);
    CHECK(second.fd() < 0);
    {
      Descriptor first(fd);
      CHECK(first);
      second = std::move(first);
    }
    INFO("the first owner is gone, the descriptor is not");
    CHECK(is_open(fd));
    Descriptor third(std::move(second));
    CHECK_FALSE(second);
    CHECK(third.fd() == fd);
  }
  CHECK_FALSE(is_open(fd));
  Descriptor owner(new_number());
  const int other = owner.fd();
  owner = Descriptor();
  INFO("assigning an empty one closes at once");
  CHECK_FALSE(is_open(other));
  CHECK(Descriptor(0).fd() == 0);  // stdin is a descriptor like any other; here it is closed
  REQUIRE(open("/dev/null", O_RDONLY) == 0);
}

TEST_CASE("socket: closing leaves errno to whoever is about to look at it") {
  errno = 4711;
  { const Descriptor not_a_descriptor(1'000'000); }  // its close fails with EBADF
  CHECK(errno == 4711);
}

// -- listening --

#ifdef __linux__
TEST_CASE("socket: local_address shows a name that is in no file system with an @") {
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  const std::string name = "two-ways." + std::to_string(getpid());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  REQUIRE(bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  CHECK(local_address(socket.fd()) == "unix:@" + name);
}
#endif

TEST_CASE("socket: a listener does not block, is closed on exec and sends without delay") {
  const Descriptor listener = listen_on("127.0.0.1", 0);
  CHECK(local_address(listener.fd()).starts_with("127.0.0.1:"));
  CHECK(local_port(listener.fd()) != 0);
  CHECK((fcntl(listener.fd(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((fcntl(listener.fd(), F_GETFD) & FD_CLOEXEC) != 0);
  int on = 0;
  socklen_t size = sizeof on;
  CHECK(getsockopt(listener.fd(), IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
  CHECK(on != 0);
}

TEST_CASE("socket: an address must be a number") {
  for (const char* bad : {"localhost", "", "127.0.0.1.5", "300.0.0.1", "example.org", "[::1]"}) {
    CAPTURE(bad);
    bool refused = false;
    try {
      const Descriptor listener = listen_on(bad, 0);
      refused = std::string(bad).empty() && local_address(listener.fd()).starts_with("127.");
    } catch (const std::invalid_argument&) {
      refused = true;
    } catch (const CallFailed&) {
    }
    CHECK(refused);
  }
}

TEST_CASE("socket: IPv6 addresses are written in brackets") {
  try {
    const Descriptor listener = listen_on("::1", 0);
    CHECK(local_address(listener.fd()).starts_with("[::1]:"));
  } catch (const CallFailed& failed) {
    MESSAGE("no IPv6 here, not tested: " << failed.what());
  }
}

// -- the inherited listener --

TEST_CASE("socket: LISTEN_FDS=1 makes descriptor 3 the listener, unless LISTEN_PID is another's") {
  const ChildEnd end = run_in_child([] {
    const Descriptor listener = listen_on("127.0.0.1", 0);
    hand_down(listener.fd());
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    demand(!inherited_listener(), "LISTEN_FDS is not set");
    for (const char* other : {"0", "2", "", "one", "11"}) {
      setenv("LISTEN_FDS", other, 1);
      demand(!inherited_listener(), other);
    }
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_PID", "1", 1);
    demand(!inherited_listener(), "another process's listener is left alone");
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    fcntl(3, F_SETFL, 0);
    const std::optional<Descriptor> inherited = inherited_listener();
    demand(inherited && inherited->fd() == 3, "it is descriptor 3");
    demand((fcntl(3, F_GETFL) & O_NONBLOCK) != 0, "it does not block any more");
    demand((fcntl(3, F_GETFD) & FD_CLOEXEC) != 0, "it is not handed down further");
    std::fflush(nullptr);
    _exit(0);
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}

TEST_CASE("socket: a descriptor 3 that is no socket is an error, not a listener") {
  for (const bool is_file : {true, false}) {
    CAPTURE(is_file);
    const ChildEnd end = run_in_child([is_file] {
      close(3);
      if (is_file) hand_down(open("/dev/null", O_RDONLY));
      setenv("LISTEN_FDS", "1", 1);
      unsetenv("LISTEN_PID");
      try {
        (void)inherited_listener();
        demand(false, "inherited_listener throws, as its header says");
      } catch (const CallFailed& failed) {
        demand(failed.error == (is_file ? ENOTSOCK : EBADF), "and says why");
      }
    });
    CAPTURE(end.err);
    CHECK(end.exit_status == 0);
  }
}

// -- accepting and connecting --
//
// What they say without descriptors, and of a port where nobody listens, the behaviour checks L01,
// G14 and G03 show.

TEST_CASE(
    "socket: accept_client gives a socket as it was ordered, and says EAGAIN when nobody waits") {
  const Descriptor listener = listen_on("127.0.0.1", 0);
  for (const Blocking blocking : {Blocking::yes, Blocking::no}) {
    CAPTURE(static_cast<int>(blocking));
    const Descriptor us = connect_blocking(local_port(listener.fd()), 1s);
    REQUIRE(us);
    REQUIRE(is_ready(listener.fd(), POLLIN, 1000));
    Address peer;
    const Descriptor client = accept_client(listener.fd(), blocking, &peer);
    REQUIRE(client);
    CHECK(describe(peer) == local_address(us.fd()));
    INFO("on some systems a client inherits O_NONBLOCK from the listener, on others not");
    CHECK(((fcntl(client.fd(), F_GETFL) & O_NONBLOCK) != 0) == (blocking == Blocking::no));
    CHECK((fcntl(client.fd(), F_GETFD) & FD_CLOEXEC) != 0);
    int on = 0;
    socklen_t size = sizeof on;
    CHECK(getsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
    INFO("Nagle's delay is off");
    CHECK(on != 0);
  }
  CHECK_THROWS_AS(describe(Address()), std::runtime_error);
  const Descriptor nobody = accept_client(listener.fd(), Blocking::no);
  const int error = errno;
  CHECK_FALSE(nobody);
  CHECK(is_not_ready(error));
}

TEST_CASE("socket: start_connecting does not wait, and the socket becomes writable") {
  const Descriptor listener = listen_on("127.0.0.1", 0);
  const Descriptor connection = start_connecting(local_port(listener.fd()));
  REQUIRE(connection);
  CHECK((fcntl(connection.fd(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((fcntl(connection.fd(), F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE(is_ready(connection.fd(), POLLOUT, 1000));
  CHECK(send_some(connection.fd(), "hello") == 5);
}

TEST_CASE("socket: timeout ends a blocking recv and send with EAGAIN") {
  CHECK_FALSE(set_timeouts(Descriptor(new_number()).fd(), 1s));
  CHECK(errno == ENOTSOCK);
  const SocketPair pair = make_pair(Blocking::yes, 4096);
  REQUIRE(set_timeouts(pair.server.fd(), 20ms));
  std::array<char, 8> room;
  CHECK(receive(pair.server.fd(), room) == -1);
  CHECK(is_not_ready(errno));
  const ssize_t first = send_some(pair.server.fd(), plenty);
  INFO("send_some says how much the kernel took, and the rest is still ours");
  CHECK(first > 0);
  CHECK(first < static_cast<ssize_t>(plenty.size()));
  CHECK(send_some(pair.server.fd(), plenty) == -1);
  CHECK(is_not_ready(errno));
  std::string got;
  CHECK(read_what_is_there(pair.client.fd(), got));
  CHECK(got.size() == static_cast<std::size_t>(first));
}

// -- bytes --

TEST_CASE("socket: a signal does not end receive, send_some or accept_client") {
  struct sigaction action {};
  action.sa_handler = [](int) { ++signals_seen; };  // without SA_RESTART
  REQUIRE(sigaction(SIGUSR2, &action, nullptr) == 0);
  const SocketPair pair = make_pair(Blocking::yes, 4096);
  const Descriptor listener = listen_on("127.0.0.1", 0);
  REQUIRE(fcntl(listener.fd(), F_SETFL, 0) == 0);  // so that accept parks, too
  std::string got;
  std::thread peer([&, target = pthread_self()] {
    interrupt(target, 3);
    (void)send_some(pair.client.fd(), "x");
    interrupt(target, 3);
    (void)connect_blocking(local_port(listener.fd()), 1s);
    do interrupt(target, 1);
    while (read_what_is_there(pair.client.fd(), got) && got.size() < plenty.size());
  });
  std::array<char, 8> room;
  INFO("each parks until there is a reason, however many signals come");
  CHECK(receive(pair.server.fd(), room) == 1);
  CHECK(accept_client(listener.fd(), Blocking::no));
  ssize_t count = 1;
  for (std::string_view rest = plenty; !rest.empty() && count > 0;) {
    count = send_some(pair.server.fd(), rest);
    rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  CHECK(count > 0);
  (void)shutdown(pair.server.fd(), SHUT_WR);
  peer.join();
  CHECK(got == plenty);
}

TEST_CASE("socket: set_nonblocking keeps the other flags and throws for a closed descriptor") {
  const Descriptor file(open("/dev/null", O_WRONLY | O_APPEND));
  set_nonblocking(file.fd());
  const int flags = fcntl(file.fd(), F_GETFL);
  CHECK((flags & O_NONBLOCK) != 0);
  CHECK((flags & O_APPEND) != 0);
  CHECK_THROWS_AS(set_nonblocking(1'000'000), CallFailed);
}
