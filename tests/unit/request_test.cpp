// The request parser, where it is more than yes or no. Which methods, versions, fields and ends of
// lines are refused, and with what, the behaviour checks B30 to B40 and B61 show, and its limits
// B16, B17 and B20. Numbers in brackets are sections of RFC 9112.
#include <doctest/doctest.h>

#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "common/http.hpp"
#include "common/http_codec.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/unit/reference.hpp"
#include "tests/unit/socket_pair.hpp"

namespace {

using Outcome = Parsed::Outcome;

Parsed parse(std::string_view bytes) {
  std::uint32_t line_start = 0;
  return parse_request(bytes, line_start);
}

// The parser's verdict as one number: 200 for a request, 0 for one that is not all there yet.
int verdict(std::string_view bytes) {
  const Parsed parsed = parse(bytes);
  if (parsed.outcome == Outcome::request) return 200;
  return parsed.outcome == Outcome::refused ? parsed.status : 0;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// A request with this request line and these fields, and Host.
std::string request(const std::string& line, const std::string& fields = "") {
  return line + "\r\nHost: a\r\n" + fields + "\r\n";
}

std::string get(const std::string& fields) {
  return request("GET / HTTP/1.1", fields);
}

// A request put together from good and bad parts.
std::string random_request(std::mt19937& random) {
  static const std::vector<std::string> parts = split(
      "GET |HEAD |POST |/|/echo/|/row?| HTTP/1.1| HTTP/1.0| HTTP/2.0|\r\n|\r\n|\r\n|\r\n\r\n|\r|\n|"
      "Host: a|Host:|Connection: close|Content-Length: 0|Content-Length: 7|"
      "Transfer-Encoding: chunked|Expect: x| |:|http://a|X: y|X : y|"
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n|" +
          std::string(1, '\0') + "|" + std::string(4090, 'x') + "|" + std::string(3000, 'y') +
          ": z",
      '|');
  std::string bytes;
  if (random() % 2 == 0) bytes = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (auto count = random() % 14; count > 0; --count) bytes += parts[random() % parts.size()];
  return bytes;
}

}  // namespace

TEST_CASE("request: a plain one") {
  const std::string bytes = request("GET /echo/hello?x=1 HTTP/1.1");
  const Parsed parsed = parse(bytes);
  REQUIRE(parsed.outcome == Outcome::request);
  CHECK(parsed.request.target == "/echo/hello?x=1");
  CHECK(parsed.request.size == bytes.size());
  CHECK(parsed.request.keep_alive);
  CHECK_FALSE(parsed.request.head_only);
  CHECK_FALSE(parsed.request.http_1_0);
}

TEST_CASE(
    "request: every beginning of a request is incomplete, and what is behind it is not read") {
  const std::string bytes =
      "\r\nGET /echo/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK(verdict(bytes.substr(0, size)) == 0);
  }
  const Parsed parsed = parse(bytes + "\n" + std::string(1, '\0') + " nonsense");
  CHECK(parsed.outcome == Outcome::request);
  CHECK(parsed.request.size == bytes.size());
}

TEST_CASE("request: targets") {
  const auto target = [](const std::string& text) {
    const std::string bytes = request("GET " + text + " HTTP/1.1");
    const Parsed parsed = parse(bytes);
    return parsed.outcome == Outcome::request ? std::string(parsed.request.target)
                                              : std::to_string(parsed.status);
  };
  CHECK(target("/") == "/");
  CHECK(target("//") == "//");
  CHECK(target("/a%20b?c=d&e=/?") == "/a%20b?c=d&e=/?");
  CHECK(target("/\"<>\\^`{|}[]") == "/\"<>\\^`{|}[]");
  INFO("the absolute form [3.2.2]; its scheme does not care about case");
  CHECK(target("http://example.org/a/b?c") == "/a/b?c");
  CHECK(target("HTTP://example.org:80/a") == "/a");
  CHECK(target("http://example.org") == "/");
  INFO("a fragment is not sent, and neither are control characters or anything beyond ASCII");
  for (const char* bad : {"http:///a", "http://", "https://example.org/", "*", "a",
                          "example.org:80", "/a#b", "/\x01", "/\x7f", "/\xc3\xa4", "/\t"})
    CHECK(target(bad) == "400");
}

TEST_CASE("request: empty lines before it are skipped, but not for ever") {
  const Parsed parsed = parse("\r\n\r\n" + get(""));
  CHECK(parsed.outcome == Outcome::request);
  CHECK(parsed.request.size == 4 + get("").size());
  std::string lines;
  for (std::size_t i = 0; i <= max_request_head / 2; ++i) lines += "\r\n";
  CHECK(verdict(lines) == 431);
}

TEST_CASE("request: a bare LF, and nothing else, is said to be one, and at once") {
  for (const char* bare : {"GET / HTTP/1.1\n", "\nGET", "GET / HTTP/1.1\r\nHost: a\n", "\r\n\n"})
    CHECK(parse(bare).bare_line_feed);
  for (const char* other : {"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "\rGET / HTTP/1.0\r\n\r\n",
                            "GET / HTTP/1.0\r\n\rX: y\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"})
    CHECK_FALSE(parse(other).bare_line_feed);
  CHECK(refusal(parse("GET / HTTP/1.1\n")).text != refusal(400).text);
  CHECK(refusal(parse("GET / HTTP/1.1\r\n\r\n")).text == refusal(400).text);
}

TEST_CASE("request: control characters are refused wherever they stand") {
  const std::string good = "GET /abc HTTP/1.1\r\nHost: a\r\nName: value\r\n\r\n";
  for (std::size_t at = 0; at < good.size(); ++at) {
    if (good[at] == '\r' || good[at] == '\n') continue;
    for (const char c : {'\0', '\x01', '\x0b', '\x1b', '\x7f'}) {
      std::string bad = good;
      bad[at] = c;
      CAPTURE(shown(bad));
      CHECK(verdict(bad) == 400);
    }
  }
}

TEST_CASE(
    "request: who is asked, in Host and in an absolute target, is a host and perhaps a port") {
  const auto verdicts = [](const std::string& host) {
    return std::vector{verdict("GET / HTTP/1.1\r\nHost: " + host + " \r\n\r\n"),
                       verdict(request("GET http://" + host + " HTTP/1.1")),
                       verdict(request("GET http://" + host + "/?a HTTP/1.1")),
                       verdict(request("GET http://" + host + "?a HTTP/1.1"))};
  };
  for (const char* fine :
       {"a", "a:", "a.b-c_d~:80", "A,b;c=!$&'()*+", "127.0.0.1", "1.2.3.999", "%41%fF", "a%20b:0",
        "[::]", "[::1]:8080", "[1:2:3:4:5:6:7:8]", "[ffff::1.2.3.4]:", "[v7.a:b]", "[Vf.~]:1"}) {
    CAPTURE(fine);
    CHECK(is_authority(fine));
    CHECK(verdicts(fine) == std::vector{200, 200, 200, 200});
  }
  for (const std::string& bad :
       split(":80\n:\na:b\na:80:80\na:b:c\na:-1\na:8 0\n%\n%4\n%zz\n%4z\na%\nu@h\nu:p@h\n@\n[\n]\n"
             "[]\n[]:80\n[::1\n::1\n[::1]a\n[::1]:a\n[::1]]\na[::1]\n[[::1]]\n[1:2:3:4:5:6:7]\n"
             "[1:2:3:4:5:6:7:8:9]\n[12345::]\n[::1::2]\n[1:2:3:4:5:6:7::8]\n[1.2.3.4]\n"
             "[::1.2.3.256]\n[::1.2.3.04]\n[a]\n[%31::]\n[fe80::1%25eth0]\n[v.a]\n[v1.]\n[v1]\n"
             "[vg.a]\n[v1.[]\na b\na\tb\nh<>\n\"a\"\na\\b\na^b\n`a`\n{a}\na|b\na#b\na\x7f\n"
             "\xc3\xa9\na\x80",
             '\n')) {
    CAPTURE(shown(bad));
    CHECK_FALSE(is_authority(bad));
    CHECK(verdicts(bad) == std::vector{400, 400, 400, 400});
  }
  CHECK(verdict("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n") == 400);
  CHECK(verdict("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n") == 400);
  CHECK(verdict("GET / HTTP/1.1\r\nHost: [" + std::string(5000, ':') + "]\r\n\r\n") == 400);
}

TEST_CASE("request: the parser and the RFC's own grammar take the same hosts (20,000 hosts)") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const std::vector<std::string> anything = {"a", ".", "7", ":80",   ":",   "%41", "%",
                                             "[", "]", "@", "[::1]", "v1.", "\xe4"};
  const std::vector<std::string> address = {"1:",      "c:",  ":",     "::",     "12ab:", "0",
                                            "1.2.3.4", "1.2", "12345", "2:3:4:", "v"};
  for (int i = 0; i < 20'000; ++i) {
    const bool in_brackets = random() % 2 == 0;
    const auto& parts = in_brackets ? address : anything;
    std::string host = in_brackets ? "[" : "";
    for (auto count = 1 + random() % 7; count > 0; --count) host += parts[random() % parts.size()];
    if (in_brackets) host += "]";
    const int expected = is_authority(host) ? 200 : 400;
    if (verdict("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n") == expected &&
        verdict(request("GET http://" + host + "/ HTTP/1.1")) == expected)
      continue;
    FAIL_CHECK("the grammar says " << expected << ", the parser not, to " << shown(host));
    return;
  }
}

TEST_CASE("request: what is wrong with a request comes in an order") {
  INFO("a method that is not served comes before what only its own rules could judge");
  CHECK(verdict(request("POST /x HTTP/1.1", "Content-Length: 5\r\n")) == 405);
  CHECK(verdict(request("POST /x HTTP/1.1", "Transfer-Encoding: chunked\r\n")) == 405);
  CHECK(verdict(request("POST /x HTTP/1.1", "Expect: x\r\n")) == 405);
  CHECK(verdict(request("POST /" + std::string(5000, 'x') + " HTTP/1.1")) == 405);
  INFO("then the target, the coding, the body, the expectation");
  const std::string rest = "Expect: x\r\nContent-Length: 5\r\n";
  CHECK(verdict(request("GET x HTTP/1.1", rest + "Transfer-Encoding: x\r\n")) == 400);
  CHECK(verdict(get(rest + "Transfer-Encoding: x\r\n")) == 501);
  CHECK(verdict(get(rest)) == 400);
}

TEST_CASE("request: a refused HEAD is known as one, so that its response has no body") {
  const Parsed parsed = parse("HEAD / HTTP/1.1\r\n\r\n");
  CHECK(parsed.outcome == Outcome::refused);
  CHECK(parsed.request.head_only);
}

// -- however it arrives --

TEST_CASE("request: the verdict does not depend on how the bytes were cut (20,000 requests)") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 20'000; ++i) fuzz_request(random_request(random));  // aborts with a story
  CHECK(true);
}

TEST_CASE(
    "request: a head that arrives byte by byte is searched once, not from its beginning each "
    "time") {
  std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n";
  std::uint32_t line_start = 0;
  CHECK(parse_request(bytes, line_start).outcome == Outcome::incomplete);
  INFO("the next search begins at the line that is not finished yet");
  CHECK(line_start == bytes.size());
  bytes += "X: ";
  CHECK(parse_request(bytes, line_start).outcome == Outcome::incomplete);
  CHECK(line_start == bytes.size() - 3);
}
