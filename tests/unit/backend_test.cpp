// What the backend is asked, and what is made of its response.
#include "common/backend.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/socket_pair.hpp"

TEST_CASE(
    "backend: a good response is relayed, a bad one is a 502, an unfinished one is waited for") {
  const std::string good = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  const auto response = backend_response(good, false);
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(response->text == "hello");
  CHECK_FALSE(response->closes);
  CHECK_FALSE(backend_response(good.substr(0, 30), false));
  CHECK_FALSE(backend_response("", false));
  for (const std::string& bad : {good.substr(0, 30), std::string(), std::string("nonsense\r\n\r\n"),
                                 std::string("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
                                 std::string("HTTP/1.1 204 No Content\r\n\r\n")}) {
    CAPTURE(shown(bad));
    const auto failure = backend_response(bad, true);
    REQUIRE(failure);
    CHECK(failure->status == 502);
    CHECK_FALSE(failure->closes);
  }
}

TEST_CASE("backend: the longest body that is relayed, and a backend that never ends") {
  const std::string head_part = "HTTP/1.0 200 OK\r\n\r\n";
  CHECK(backend_response(head_part + std::string(max_text, 'x'), true)->status == 200);
  CHECK(backend_response(head_part + std::string(max_text + 1, 'x'), true)->status == 502);
  CHECK(backend_response(head_part + std::string(20'000, 'x'), false)->status == 502);
  CHECK(backend_response(std::string(20'000, 'x'), false)->status == 502);
}

TEST_CASE("backend: what the backend is asked is itself a request") {
  const std::string text = backend_request({.target = "/row?key=1"});
  std::uint32_t line_start = 0;
  const Parsed parsed = parse_request(text, line_start);
  CHECK(parsed.outcome == Parsed::Outcome::request);
  CHECK(parsed.request.target == "/row?key=1");
  CHECK(parsed.request.http_1_0);
  CHECK_FALSE(parsed.request.keep_alive);
}
