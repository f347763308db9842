// The codec without a socket: what of a connection's state the conversations do not show.
#include "common/http_codec.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "common/backend.hpp"
#include "tests/unit/test_context.hpp"

namespace {

// Takes all of the output, as a client who reads all.
std::string drained(HttpCodec& codec) {
  std::string all;
  while (codec.has_output()) {
    all += codec.output();
    codec.sent(codec.output().size());
  }
  return all;
}

}  // namespace

TEST_CASE("codec: when the connection ends, and who is listened to afterwards") {
  const std::string last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const auto lingers = [](const std::string& bytes, bool filled) {
    TestContext world;
    HttpCodec codec(world.context);
    codec.take(bytes, filled);
    while (const std::optional<Request> request = codec.next_request())
      codec.respond(*request, handle(*request));
    CHECK(codec.is_closing());
    CHECK_FALSE(codec.should_linger());  // first the response must leave
    CHECK(drained(codec).find("\r\nConnection: close\r\n") != std::string::npos);
    CHECK_FALSE(codec.next_request());
    CHECK_FALSE(codec.is_inside_request());
    return codec.should_linger();
  };
  CHECK_FALSE(lingers(last, false));
  CHECK(lingers(last, true));           // there may be more
  CHECK(lingers(last + "GET", false));  // there was
  CHECK_FALSE(lingers(last + "\r\n", false));
  CHECK(lingers("nonsense\r\n\r\n", false));
  TestContext world;
  HttpCodec codec(world.context);
  codec.take("HEAD / HT", false);
  codec.refuse(408);
  const std::string got = drained(codec);
  CHECK(got.starts_with("HTTP/1.1 408 "));
  CHECK(got.ends_with("\r\n\r\n"));
  CHECK(codec.should_linger());
}

TEST_CASE("codec: every text of its own and of the backend's fits, and is a sentence") {
  std::vector<Response> responses = {no_backend()};
  for (const int status : {400, 405, 408, 414, 417, 431, 501, 503, 505}) {
    responses.push_back(refusal(status));
    CHECK(refusal(status).closes);
    CHECK(refusal(status).status == status);
    CHECK(refusal(status).text != refusal(999).text);
  }
  for (const int status : {502, 503, 504}) {
    responses.push_back(backend_failure(status));
    CHECK_FALSE(backend_failure(status).closes);
    CHECK(backend_failure(status).status == status);
  }
  for (const Response& response : responses) {
    CHECK(response.text.size() <= max_text);
    CHECK(response.text.ends_with(".\n"));
  }
}

TEST_CASE("backend: the longest body that is relayed, and a backend that never ends") {
  const std::string head_part = "HTTP/1.0 200 OK\r\n\r\n";
  CHECK(backend_response(head_part + std::string(max_text, 'x'), true)->status == 200);
  CHECK(backend_response(head_part + std::string(max_text + 1, 'x'), true)->status == 502);
  CHECK(backend_response(head_part + std::string(20'000, 'x'), false)->status == 502);
  CHECK(backend_response(std::string(20'000, 'x'), false)->status == 502);
}
