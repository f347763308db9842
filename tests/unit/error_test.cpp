#include "common/error.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>

using namespace two_ways;

TEST_CASE("error: a failure is told as call, symbol, words and descriptor") {
  const auto words = [](int error) { return std::string(std::strerror(error)); };  // the system's
  CHECK(describe_failure("bind", EADDRINUSE) == "bind: EADDRINUSE (" + words(EADDRINUSE) + ")");
  const std::string line = describe_failure("accept", EMFILE, 3);
  CHECK(line == "accept: EMFILE (" + words(EMFILE) + "), descriptor 3");
  CHECK(describe_failure("x", EIO, 0).ends_with(", descriptor 0"));
  INFO("an errno without a name here is still told, by its number");
  CHECK(error_symbol(4711) == "errno 4711");
}

TEST_CASE("error: CallFailed carries the line and the errno") {
  const CallFailed failed("listen", EOPNOTSUPP, 7);
  CHECK(failed.error == EOPNOTSUPP);
  CHECK(std::string(failed.what()) == describe_failure("listen", EOPNOTSUPP, 7));
  INFO("what stands in the place of a descriptor");
  CHECK(std::string(CallFailed("bind", EACCES, "port 80").what()) ==
        describe_failure("bind", EACCES) + ", port 80");
}
