// What is written as a response, and how another server's response is read.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/http.hpp"

using namespace two_ways;

namespace {

thread_local std::time_t set_time = -1;

// While one is alive, it is what time(2) says anywhere in this program.
struct WallClock {
  explicit WallClock(std::time_t moment) { set_time = moment; }
  ~WallClock() { set_time = -1; }
  WallClock(const WallClock&) = delete;
  WallClock& operator=(const WallClock&) = delete;
};

}  // namespace

// A function of the same name in the program stands in front of the C library's.
extern "C" time_t time(time_t* result) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const time_t moment = set_time != -1 ? set_time : now.tv_sec;
  if (result != nullptr) *result = moment;
  return moment;
}

namespace {

// In 2038 on some machines with 32 bits.
constexpr std::time_t last_moment = std::numeric_limits<std::time_t>::max();

std::string head(const ResponseHead& response) {
  std::array<char, max_response_head> room;
  const std::size_t size = write_response_head(response, room);
  REQUIRE(size <= room.size());
  return {room.data(), size};
}

std::string date_at(std::time_t moment) {
  WallClock clock(moment);
  const std::string text = head({});
  const std::size_t begin = text.find("\r\nDate: ") + 8;
  return text.substr(begin, text.find('\r', begin) - begin);
}

// The same by the C library.
std::string expected_date(std::time_t moment) {
  std::tm parts{};
  gmtime_r(&moment, &parts);
  std::array<char, 64> text;
  return {text.data(),
          std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

// What has been read of another server's response.
std::string told(const ParsedResponse& parsed) {
  if (parsed.outcome == ParsedResponse::Outcome::incomplete) return "incomplete";
  if (parsed.outcome == ParsedResponse::Outcome::broken) return "broken";
  return std::to_string(parsed.status) + " " + std::string(parsed.body);
}

}  // namespace

TEST_CASE("response: a head, byte for byte") {
  const WallClock clock(784111777);
  CHECK(head({.status = 200, .body_size = 39}) ==
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 39\r\n\r\n");
  CHECK(head({.status = 405, .body_size = 0, .closes = true}) ==
        "HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\nAllow: GET, HEAD\r\n"
        "Connection: close\r\n\r\n");
  CHECK(head({.body_size = 1, .keeps_http_1_0 = true})
            .ends_with("Content-Length: 1\r\nConnection: keep-alive\r\n\r\n"));
  INFO("closing comes before keeping");
  CHECK(head({.closes = true, .keeps_http_1_0 = true}).find("keep-alive") == std::string::npos);
}

TEST_CASE("response: every status that is sent has its words, and its longest head fits") {
  for (const int status : {200, 400, 404, 405, 408, 414, 417, 431, 501, 502, 503, 504, 505}) {
    CAPTURE(status);
    CHECK(reason_phrase(status) != "Unknown");
    CHECK(head({.status = status, .body_size = ~std::size_t{0}, .keeps_http_1_0 = true})
              .starts_with("HTTP/1.1 " + std::to_string(status) + " " +
                           std::string(reason_phrase(status)) + "\r\n"));
  }
}

TEST_CASE(
    "response: the date is what gmtime and strftime say, where the calendar turns and at random") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> moments = {0,          951782399,  951782400,  951868800,
                                        4107542399, 4107542400, 1709164800, 1735689599,
                                        1735689600, 2147483647, 2147483648, 4294967296};
  constexpr std::uint64_t year_10000 = 253402300800;
  for (int i = 0; i < 20'000; ++i) moments.push_back(random() % year_10000);
  for (const std::uint64_t number : moments) {
    if (std::cmp_greater_equal(number, last_moment)) continue;
    const auto moment = static_cast<std::time_t>(number);
    const std::string date = date_at(moment);
    if (date != expected_date(moment)) FAIL("at " << moment << ": " << date);
    const std::string next = date_at(moment + 1);  // without a change of anything else
    if (next != expected_date(moment + 1)) FAIL("a second after " << moment << ": " << next);
  }
}

// -- another server's response --

TEST_CASE("backend's response: a body has the announced size, or ends with the stream") {
  const std::string bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK(told(parse_response(bytes.substr(0, size), false)) == "incomplete");
    INFO("cut short by the end of the stream");
    CHECK(told(parse_response(bytes.substr(0, size), true)) == "broken");
  }
  CHECK(told(parse_response(bytes, false)) == "200 hello");
  CHECK(told(parse_response(bytes, true)) == "200 hello");
  CHECK(told(parse_response(bytes + "surplus", false)) == "200 hello");
  INFO("not announced, it ends with the stream");
  CHECK(told(parse_response("HTTP/1.0 200 OK\r\n\r\nhel", false)) == "incomplete");
  CHECK(told(parse_response("HTTP/1.0 200 OK\r\n\r\nhello", true)) == "200 hello");
  CHECK(told(parse_response("HTTP/1.0 200 OK\r\n\r\n", true)) == "200 ");
}

// Which are broken, the behaviour check G06 shows.
TEST_CASE("backend's response: statuses and lengths that are as they should be") {
  const auto with = [](const std::string& head) {
    return told(parse_response(head + "\r\n\r\nhello", true));
  };
  CHECK(with("HTTP/1.1 404 Not Found\r\nContent-Length: 0") == "404 ");
  CHECK(with("HTTP/1.1 200\r\nContent-Length: 0") == "200 ");
  CHECK(with("HTTP/1.1 200 \r\nX-Content-Length: 3") == "200 hello");
  CHECK(with("HTTP/1.1 200 OK\r\ncontent-length:5") == "200 hello");
  CHECK(with("HTTP/1.1 200 OK\r\nCONTENT-LENGTH: \t5 ") == "200 hello");
  CHECK(with("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5") == "200 hello");
}

// However it is cut, tests/fuzz looks at.
TEST_CASE("backend's response: a head without an end is broken") {
  const std::string start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
  CHECK(told(parse_response(start + std::string(20'000, 'x'), false)) == "broken");
  const std::string longest = start + std::string(max_request_head - 4 - start.size(), 'x');
  CHECK(told(parse_response(longest + "\r\n\r\n", false)) == "200 ");
  CHECK(told(parse_response(longest + "x\r\n\r\n", false)) == "broken");
}
