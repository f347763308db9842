// line_service: another protocol on the loop of the servers.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <string>

#include "common/socket.hpp"
#include "tests/kit/child_process.hpp"
#include "tests/measure/programs.hpp"

TEST_CASE("line_service: lines come back in capitals, however they come, and a stop ends it") {
  ChildProcess service(program("line_service"), Launch{});
  const Descriptor client = connect_blocking(service.port(), std::chrono::seconds(10));
  REQUIRE(client);
  const auto hear = [&client](std::size_t size) {
    std::string heard;
    std::array<char, 64> room;
    for (ssize_t count = 1; heard.size() < size && count > 0;)
      if ((count = receive(client.fd(), room)) > 0)
        heard.append(room.data(), static_cast<std::size_t>(count));
    return heard;
  };
  REQUIRE(send_some(client.fd(), "one\ntwo\nthr") == 11);
  CHECK(hear(8) == "ONE\nTWO\n");
  REQUIRE(send_some(client.fd(), "ee\n") == 3);
  CHECK(hear(6) == "THREE\n");
  INFO("a line without end is not kept, however long it becomes");
  const std::string endless(64 * 1024, 'x');
  (void)send_some(client.fd(), endless);
  CHECK(hear(1) == "");
  kill(service.pid(), SIGTERM);
  CHECK(service.wait_for_end(Timeout(10)) == 0);
}
