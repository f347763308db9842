#include <algorithm>
#include <charconv>

#include "tests/measure/response_check.hpp"

namespace {

constexpr std::size_t longest_head = 8192;

bool read_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_pattern(std::string_view bytes, std::uint64_t offset) {
  for (const char byte : bytes)
    if (byte != pattern_at(offset++)) return false;
  return true;
}

// Do the bytes agree with `text` where they lie over it?
bool agrees(std::string_view bytes, std::uint64_t offset, std::string_view text) {
  if (offset >= text.size()) return true;
  const std::string_view part = text.substr(offset, bytes.size());
  return bytes.substr(0, part.size()) == part;
}

}  // namespace

Expectation expected_response(std::string_view target) {
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

void ResponseCheck::reset() {
  head_.clear();
  problem_.clear();
  response_ = {};
  received_ = 0;
  stage_ = Stage::head;
}

std::size_t ResponseCheck::take(std::string_view bytes, const Expectation& expected) {
  std::size_t taken = 0;
  if (stage_ == Stage::head) {
    taken = take_head(bytes);
    if (stage_ == Stage::body) read_head(expected);
  }
  if (stage_ == Stage::body && problem_.empty()) taken += take_body(bytes.substr(taken), expected);
  return taken;
}

std::size_t ResponseCheck::take_head(std::string_view bytes) {
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

void ResponseCheck::read_head(const Expectation& expected) {
  const std::string_view lines = std::string_view(head_).substr(0, head_.size() - 2);
  problem_ = read_response_head(lines, response_);
  using Body = Expectation::Body;
  const std::uint64_t length = response_.content_length;
  if (!problem_.empty()) return;
  if (response_.status != 200) {
    problem_ = "answered '" + readable(lines.substr(0, lines.find('\r'))) + "' instead of 200";
  } else if ((expected.body == Body::exactly && length != expected.text.size()) ||
             (expected.body == Body::pattern && length != expected.length) ||
             (expected.body == Body::beginning_with && length < expected.text.size()) ||
             (expected.body == Body::something && length == 0)) {
    problem_ = "an answer of the wrong length (" + std::to_string(length) + " bytes)";
  }
}

std::size_t ResponseCheck::take_body(std::string_view bytes, const Expectation& expected) {
  const std::uint64_t left = response_.content_length - received_;
  bytes = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size())));
  const bool right = expected.body == Expectation::Body::pattern
                         ? is_pattern(bytes, received_)
                         : agrees(bytes, received_, expected.text);
  if (!right) problem_ = "a wrong body: '" + readable(bytes) + "'";
  received_ += bytes.size();
  if (received_ == response_.content_length) stage_ = Stage::finished;
  return bytes.size();
}
