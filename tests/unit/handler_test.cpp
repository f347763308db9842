#include "common/handler.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

using namespace two_ways;

namespace {

Response ask(std::string_view target) {
  return handle({.target = target});
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

// Which paths there are, what stands in which response, and that /spin burns its time, the
// behaviour checks B23 to B25, C02, C22 and G01 show.
TEST_CASE("handler: a number at the limit of its range, and one with a question behind it") {
  CHECK(ask("/bytes/1073741824").generated == max_generated);
  CHECK(ask("/bytes/0017").generated == 17);
  CHECK(ask("/bytes/5?x").generated == 5);
  CHECK(ask("/bytes/0").text.empty());
}

TEST_CASE("handler: only /row and /row?KEY ask the backend") {
  for (const char* row : {"/row", "/row?", "/row?a=b", "/row?/"}) CHECK(ask(row).is_from_backend);
  for (const char* other : {"/", "/row/", "/rows", "/echo/row", "/Row", "/row%3f", "row"})
    CHECK_FALSE(ask(other).is_from_backend);
}

TEST_CASE("handler: the pattern is the same from wherever it is written, up to its very end") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  std::vector<char> room(100);
  const auto look_at = [&room](std::uint32_t offset, std::size_t size) {
    write_pattern(offset, std::span(room).first(size));
    const std::string part(room.data(), size);
    if (part != pattern(offset, size)) FAIL("at " << offset << ", " << size << " bytes: " << part);
  };
  for (std::uint32_t offset = 0; offset < 100; ++offset)
    for (std::size_t size = 0; size <= 40; ++size) look_at(offset, size);
  for (int i = 0; i < 2000; ++i)
    look_at(static_cast<std::uint32_t>(random() % (max_generated - 100)), 100);
  look_at(max_generated - 100, 100);
  CHECK(pattern(14, 20) == "0\n000000000000016\n00");
}
