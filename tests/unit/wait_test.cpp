#include "common/wait.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <limits>

using namespace two_ways;

using namespace std::chrono_literals;

TEST_CASE("wait: the earlier of two moments, either of which may be never") {
  const Time now = Clock::now();
  CHECK(earlier(std::nullopt, std::nullopt) == std::nullopt);
  CHECK(earlier(now, std::nullopt) == now);
  CHECK(earlier(std::nullopt, now) == now);
  CHECK(earlier(now, now + 1ns) == now);
  CHECK(earlier(now + 1ns, now) == now);
}

TEST_CASE("wait: a timeout is rounded up, so that nobody wakes too early and spins") {
  const Time now = Clock::now();
  CHECK(milliseconds_until(std::nullopt, now) == -1);
  CHECK(milliseconds_until(now, now) == 0);
  CHECK(milliseconds_until(now - 1h, now) == 0);
  CHECK(milliseconds_until(now + 1ns, now) == 1);
  CHECK(milliseconds_until(now + 1ms, now) == 1);
  CHECK(milliseconds_until(now + 1ms + 1ns, now) == 2);
  INFO("more than an int holds (25 days) becomes the most it holds, never a negative number");
  CHECK(milliseconds_until(now + 24h * 365, now) == std::numeric_limits<int>::max());
}

TEST_CASE("wait: a signal and a lack of memory are excused, the latter after a pause") {
  excuse_failed_wait("poll", EINTR);
  for (const int error : {ENOMEM, EAGAIN}) {
    const Time start = Clock::now();
    excuse_failed_wait("kevent", error, 3);
    CHECK(Clock::now() - start >= 10ms);
  }
  CHECK_THROWS_WITH(excuse_failed_wait("epoll_wait", EBADF, 3),
                    "epoll_wait: EBADF (Bad file descriptor), descriptor 3");
}
