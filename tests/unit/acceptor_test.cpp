#include "common/acceptor.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "common/program.hpp"
#include "tests/kit/forked.hpp"
#include "tests/unit/socket_pair.hpp"

using namespace std::chrono_literals;

namespace {

Descriptor connect_to(const Acceptor& acceptor) {
  Descriptor client = connect_blocking(local_port(acceptor.fd()), 1s);
  if (!is_ready(acceptor.fd(), POLLIN, 1000)) return Descriptor();
  return client;
}

}  // namespace

TEST_CASE("acceptor: nobody waits, somebody waits, nobody waits any more") {
  Acceptor acceptor(listen_on("127.0.0.1", 0), Blocking::no);
  const Time now = Clock::now();
  CHECK_FALSE(acceptor.next_client(now));
  CHECK(acceptor.is_accepting(now));
  const Descriptor client = connect_to(acceptor);
  REQUIRE(client);
  CHECK(acceptor.next_client(now));
  INFO("it is known where the client comes from");
  CHECK(describe(acceptor.peer()) == local_address(client.fd()));
  CHECK_FALSE(acceptor.next_client(now));
  INFO("an empty backlog is no reason to pause");
  CHECK(acceptor.is_accepting(now));
  CHECK(acceptor.resumes_at(now) == std::nullopt);
}

// That it pauses without descriptors, the behaviour checks L01, L02 and L09 show.
TEST_CASE("acceptor: a pause that is over is no deadline, and closed it pauses for nobody") {
  Acceptor acceptor(listen_on("127.0.0.1", 0), Blocking::no);
  const Time now = Clock::now();
  acceptor.pause(now);
  CHECK_FALSE(acceptor.is_accepting(now));
  CHECK_FALSE(acceptor.is_accepting(now + 99ms));
  CHECK(acceptor.resumes_at(now) == now + 100ms);
  CHECK(acceptor.is_accepting(now + 100ms));
  CHECK(acceptor.resumes_at(now + 100ms) == std::nullopt);
  const int fd = acceptor.fd();
  acceptor.close();
  CHECK(acceptor.is_closed());
  CHECK_FALSE(acceptor.is_accepting(now + 1h));
  CHECK(acceptor.resumes_at(now) == std::nullopt);
  CHECK(fcntl(fd, F_GETFD) < 0);
}

TEST_CASE("acceptor: a listener that is none is an error") {
  Acceptor file(Descriptor(open("/dev/null", O_RDONLY)), Blocking::no);
  CHECK_THROWS_AS(file.next_client(Clock::now()), CallFailed);
}

TEST_CASE("acceptor: who is rejected is told why and finds the connection closed") {
  SocketPair pair = make_pair(Blocking::no);
  REQUIRE(send_some(pair.client.fd(), "GET / HTTP/1.1\r\n") > 0);
  reject(std::move(pair.server), 503);
  std::string got;
  CHECK_FALSE(read_what_is_there(pair.client.fd(), got));
  CHECK(got.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  CHECK(got.find("\r\nConnection: close\r\n") != std::string::npos);
  CHECK(got.ends_with(".\n"));
  INFO("and nobody waits for a client that takes nothing");
  SocketPair full = make_pair(Blocking::yes, 4096);
  set_nonblocking(full.server.fd());
  send_what_fits(full.server.fd(), std::string(1 << 20, 'x'));
  REQUIRE(fcntl(full.server.fd(), F_SETFL, 0) == 0);
  reject(std::move(full.server), 503);  // a blocking send would park for ever
}

TEST_CASE("acceptor: when one client after the other is gone, it pauses") {
  // accept(2) on a socket that takes no connections says EOPNOTSUPP, as it does for a client that
  // has left; here every time.
  Acceptor acceptor(Descriptor(socket(AF_INET, SOCK_DGRAM, 0)), Blocking::no);
  const Time now = Clock::now();
  CHECK_FALSE(acceptor.next_client(now));
  INFO("one lost client is no reason to let the others wait");
  CHECK(acceptor.is_accepting(now));
  int tries = 1;
  while (acceptor.is_accepting(now) && tries < 1000) {
    CHECK_FALSE(acceptor.next_client(now));
    ++tries;
  }
  CHECK_MESSAGE(tries < 100, "a loop whose listener stays readable would spin");
}

TEST_CASE("program: the soft limit of descriptors is raised to the hard one, which is the limit") {
  const ChildEnd end = run_in_child([] {
    const rlimit limit{100, 200};
    demand(setrlimit(RLIMIT_NOFILE, &limit) == 0, "the limit can be set");
    char name[] = "server";
    char* arguments[] = {name, nullptr};
    const int status = run_program(1, arguments, [](int, char**) {
      rlimit now{};
      demand(getrlimit(RLIMIT_NOFILE, &now) == 0, "the limit can be read");
      demand(now.rlim_cur == 200 && now.rlim_max == 200, "200 are allowed");
    });
    demand(status == 0 && raise_descriptor_limit() == 200, "and 200 stay allowed");
  });
  CAPTURE(end.err);
  CHECK(end.exit_status == 0);
}
