#include "tests/measure/answer_check.hpp"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace {

constexpr std::size_t longest_head = 8192;

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool read_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// Byte `offset` of what /bytes/N answers: records of 15 digits, the record's offset, and '\n'.
char pattern_byte(std::uint64_t offset) {
  const std::uint64_t place = offset % 16;
  if (place == 15) return '\n';
  std::uint64_t record = offset - place;
  for (std::uint64_t i = place; i < 14; ++i) record /= 10;
  return static_cast<char>('0' + record % 10);
}

bool is_pattern(std::string_view bytes, std::uint64_t offset) {
  for (const char byte : bytes)
    if (byte != pattern_byte(offset++)) return false;
  return true;
}

// Do the bytes agree with `text` where they lie over it?
bool agrees(std::string_view bytes, std::uint64_t offset, std::string_view text) {
  if (offset >= text.size()) return true;
  const std::string_view part = text.substr(offset, bytes.size());
  return bytes.substr(0, part.size()) == part;
}

std::string quoted(std::string_view text) {
  std::string shown = "'";
  for (const char c : text.substr(0, 60)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + "'";
}

}  // namespace

Expectation expected_answer(std::string_view target) {
  Expectation expected;
  if (target.starts_with("/echo/")) {
    expected.body = Expectation::Body::exactly;
    expected.text = target.substr(6);
  } else if (target.starts_with("/spin/")) {
    expected.body = Expectation::Body::exactly;
    expected.text = "spun " + std::string(target.substr(6)) + " ms\n";
  } else if (target == "/row" || target.starts_with("/row?")) {
    expected.body = Expectation::Body::beginning_with;
    expected.text = "row for " + std::string(target) + " ";
  } else if (target.starts_with("/bytes/") && read_number(target.substr(7), expected.length)) {
    expected.body = Expectation::Body::pattern;
  }
  return expected;
}

void AnswerCheck::reset() {
  head_.clear();
  problem_.clear();
  length_ = received_ = 0;
  stage_ = Stage::head;
  length_known_ = closes_ = false;
}

std::size_t AnswerCheck::take(std::string_view bytes, const Expectation& expected) {
  std::size_t taken = 0;
  if (stage_ == Stage::head) {
    taken = take_head(bytes);
    if (stage_ == Stage::body) read_head(expected);
  }
  if (stage_ == Stage::body && problem_.empty()) taken += take_body(bytes.substr(taken), expected);
  return taken;
}

std::size_t AnswerCheck::take_head(std::string_view bytes) {
  const std::size_t before = head_.size();
  // The empty line may have begun in what came earlier.
  const std::size_t start = before < 3 ? 0 : before - 3;
  head_ += bytes.substr(0, longest_head);
  const std::size_t end = head_.find("\r\n\r\n", start);
  if (end == std::string::npos) {
    if (head_.size() >= longest_head) problem_ = "an answer whose head does not end";
    return bytes.size();
  }
  head_.resize(end + 4);
  stage_ = Stage::body;
  return head_.size() - before;
}

void AnswerCheck::read_head(const Expectation& expected) {
  std::string_view rest = head_;
  const std::string_view status_line = rest.substr(0, rest.find("\r\n"));
  if (!status_line.starts_with("HTTP/1.1 200 ")) {
    problem_ = "answered " + quoted(status_line) + " instead of 200";
    return;
  }
  rest.remove_prefix(status_line.size() + 2);
  while (!rest.starts_with("\r\n")) {
    const std::size_t end = rest.find("\r\n");
    read_field(rest.substr(0, end));
    rest.remove_prefix(end + 2);
  }
  if (!problem_.empty()) return;
  using Body = Expectation::Body;
  if (!length_known_) {
    problem_ = "an answer without Content-Length";
  } else if ((expected.body == Body::exactly && length_ != expected.text.size()) ||
             (expected.body == Body::pattern && length_ != expected.length) ||
             (expected.body == Body::beginning_with && length_ < expected.text.size()) ||
             (expected.body == Body::something && length_ == 0)) {
    problem_ = "an answer of the wrong length (" + std::to_string(length_) + " bytes)";
  }
}

void AnswerCheck::read_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  const std::string_view name = line.substr(0, colon);
  if (same_word(name, "Content-Length")) {
    if (length_known_ || !read_number(value, length_)) problem_ = "a wrong Content-Length";
    length_known_ = true;
  } else if (same_word(name, "Connection")) {
    closes_ = same_word(value, "close");
  }
}

std::size_t AnswerCheck::take_body(std::string_view bytes, const Expectation& expected) {
  const std::uint64_t left = length_ - received_;
  bytes = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size())));
  const bool right = expected.body == Expectation::Body::pattern
                         ? is_pattern(bytes, received_)
                         : agrees(bytes, received_, expected.text);
  if (!right) problem_ = "a wrong body: " + quoted(bytes);
  received_ += bytes.size();
  if (received_ == length_) stage_ = Stage::finished;
  return bytes.size();
}
