#include "common/site.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <ctime>
#include <random>
#include <string>
#include <vector>

namespace {

Request request_for(std::string_view target) {
  Request request;
  request.target = target;
  return request;
}

Answer ask(std::string_view target) {
  return answer_to(request_for(target));
}

// The pattern, from its definition.
std::string pattern(std::uint32_t from, std::size_t size) {
  std::string text;
  for (std::uint32_t record = from - from % 16; text.size() < from % 16 + size; record += 16) {
    char line[32];
    std::snprintf(line, sizeof line, "%015u\n", record);
    text += line;
  }
  return text.substr(from % 16, size);
}

}  // namespace

TEST_CASE("site: / greets, and unknown paths are told what there is") {
  CHECK(ask("/").status == 200);
  CHECK_FALSE(ask("/").text.empty());
  CHECK(ask("/?a=b").status == 200);
  for (const char* unknown :
       {"/x", "//", "/echo", "/bytes", "/spin", "/rows", "/row/", "/ROW", "/index.html"}) {
    CAPTURE(unknown);
    CHECK(ask(unknown).status == 404);
    CHECK_FALSE(ask(unknown).text.empty());
    INFO("a wrong path is no reason to end the connection");
    CHECK_FALSE(ask(unknown).closes);
  }
}

TEST_CASE("site: /echo/TEXT gives TEXT as it stands") {
  for (const std::string text : {"hello", "", "a/b", "a?b=c", "%41", "a+b", "?", "//"}) {
    CAPTURE(text);
    const std::string target = "/echo/" + text;
    CHECK(ask(target).status == 200);
    CHECK(ask(target).text == text);
  }
}

TEST_CASE("site: /bytes/N and /spin/MS take whole numbers in their range") {
  CHECK(ask("/bytes/0").pattern == 0);
  CHECK(ask("/bytes/0").status == 200);
  CHECK(ask("/bytes/0").text.empty());
  CHECK(ask("/bytes/17").pattern == 17);
  CHECK(ask("/bytes/0017").pattern == 17);
  CHECK(ask("/bytes/5?x").pattern == 5);
  CHECK(ask("/bytes/1073741824").pattern == 1073741824u);
  for (const char* bad :
       {"/bytes/", "/bytes/1073741825", "/bytes/-1", "/bytes/+1", "/bytes/1k", "/bytes/ 1",
        "/bytes/0x10", "/bytes/1.0", "/bytes/99999999999999999999", "/bytes/4294967297",
        "/bytes/1/", "/spin/", "/spin/10001", "/spin/-1", "/spin/1s", "/spin/4294967296"}) {
    CAPTURE(bad);
    CHECK(ask(bad).status == 400);
    CHECK_FALSE(ask(bad).closes);
    CHECK_FALSE(ask(bad).text.empty());
  }
}

TEST_CASE("site: /spin/MS burns that much of this thread's time") {
  const auto computed = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1000 + static_cast<double>(time.tv_nsec) / 1e6;
  };
  const double before = computed();
  const Answer answer = ask("/spin/30");
  CHECK(computed() - before >= 30);
  CHECK(answer.status == 200);
  CHECK(answer.text == "spun 30 ms\n");
  CHECK(ask("/spin/0").text == "spun 0 ms\n");
}

TEST_CASE("site: only /row and /row?KEY ask the backend") {
  for (const char* row : {"/row", "/row?", "/row?a=b", "/row?/"})
    CHECK(asks_backend(request_for(row)));
  for (const char* other : {"/", "/row/", "/rows", "/echo/row", "/Row", "/row%3f", "row"})
    CHECK_FALSE(asks_backend(request_for(other)));
}

TEST_CASE("site: every text fits on the bench, and is a sentence") {
  std::vector<Answer> answers = {no_backend()};
  for (const int status : {400, 405, 408, 414, 417, 431, 501, 503, 505}) {
    answers.push_back(refusal(status));
    CHECK(refusal(status).closes);
    CHECK(refusal(status).status == status);
    CHECK(refusal(status).text != refusal(999).text);
  }
  for (const int status : {502, 503, 504}) {
    answers.push_back(row_failure(status));
    CHECK_FALSE(row_failure(status).closes);
    CHECK(row_failure(status).status == status);
  }
  for (const Answer& answer : answers) {
    CHECK(answer.text.size() <= max_text);
    CHECK(answer.text.ends_with(".\n"));
  }
}

TEST_CASE("site: the pattern's first bytes") {
  std::vector<char> room(40);
  write_pattern(0, room);
  CHECK(std::string(room.begin(), room.end()) == "000000000000000\n000000000000016\n00000000");
}

TEST_CASE("site: the pattern is the same from wherever it is written") {
  const std::string whole = pattern(0, 200);
  std::vector<char> room(64);
  for (std::uint32_t offset = 0; offset < 100; ++offset)
    for (std::size_t size = 0; size <= 40; ++size) {
      write_pattern(offset, std::span(room).first(size));
      const std::string part(room.data(), size);
      if (part != whole.substr(offset, size))
        FAIL("at " << offset << ", " << size << " bytes: " << part);
    }
}

TEST_CASE("site: the pattern far out, up to its very end") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  std::vector<char> room(100);
  for (int i = 0; i < 2000; ++i) {
    const auto offset = static_cast<std::uint32_t>(random() % (max_pattern - 100));
    write_pattern(offset, room);
    if (std::string(room.begin(), room.end()) != pattern(offset, room.size()))
      FAIL("at " << offset);
  }
  write_pattern(max_pattern - 100, room);
  CHECK(std::string(room.begin(), room.end()) == pattern(max_pattern - 100, 100));
}
