#include "tests/kit/response.hpp"

#include <strings.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace {

// A token of RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  static constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || others.find(static_cast<char>(c)) != others.npos;
  });
}

bool is_same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

template <class Number>
bool is_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

constexpr std::size_t longest_head = 8192;

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

std::string_view take_line(std::string_view& lines) {
  const std::string_view line = lines.substr(0, lines.find("\r\n"));
  lines.remove_prefix(std::min(line.size() + 2, lines.size()));
  return line;
}

struct Field {
  std::string_view name;
  std::string_view value;
};

// The name is empty if the line is not "Name: value".
Field field_in(std::string_view line) {
  constexpr std::string_view blanks = " \t";
  const std::size_t colon = line.find(':');
  if (colon == line.npos) return {};
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(blanks), value.size()));
  value = value.substr(0, value.find_last_not_of(blanks) + 1);
  return {line.substr(0, colon), value};
}

}  // namespace

std::string read_response_head(std::string_view lines, ReceivedHead& head) {
  head = {};
  // "HTTP/1.1 200 OK" and nothing else.
  const std::string_view first = take_line(lines);
  if (has_control_characters(first) || !first.starts_with("HTTP/1.1 ") || first.size() < 13 ||
      first[12] != ' ' || !is_number(first.substr(9, 3), head.status) || head.status < 100 ||
      head.status > 599)
    return "the first line is '" + readable(first) + "', not like 'HTTP/1.1 200 OK'";
  bool has_length = false;
  while (!lines.empty()) {
    const std::string_view line = take_line(lines);
    if (has_control_characters(line))
      return "a control character in the line '" + readable(line) + "'";
    const auto [name, value] = field_in(line);
    if (!is_token(name)) return "the line '" + readable(line) + "' is not 'Name: value'";
    if (is_same_word(name, "connection")) head.says_close = is_same_word(value, "close");
    if (!is_same_word(name, "content-length")) continue;
    if (has_length || !is_number(value, head.content_length))
      return "Content-Length is there twice or is not a number: '" + readable(value) + "'";
    has_length = true;
  }
  return has_length ? "" : "there is no Content-Length, so nobody can tell where the answer ends";
}

std::optional<std::string> field_of(std::string_view lines, std::string_view name) {
  while (!lines.empty()) {
    const Field field = field_in(take_line(lines));
    if (is_same_word(field.name, name)) return std::string(field.value);
  }
  return std::nullopt;
}

char pattern_at(std::size_t place) {
  const std::size_t in_record = place % 16;
  if (in_record == 15) return '\n';
  std::size_t offset = place - in_record;
  for (std::size_t skipped = 14; skipped > in_record; --skipped) offset /= 10;
  return static_cast<char>('0' + offset % 10);
}

std::string readable(std::string_view bytes, std::size_t most) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes.substr(0, most)) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '\r')
      text += "\\r";
    else if (c == '\n')
      text += "\\n";
    else if (code < 0x20 || code >= 0x7f)
      text += std::string("\\x") + digits[code >> 4] + digits[code & 15];
    else
      text += c;
  }
  if (bytes.size() > most) text += "...";
  return text;
}

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (; times > 0; --times) all += text;
  return all;
}

Expectation expected_response(std::string_view target) {
  using Body = Expectation::Body;
  std::uint64_t length = 0;
  if (target.starts_with("/echo/")) return {Body::exactly, std::string(target.substr(6))};
  if (target.starts_with("/spin/"))
    return {Body::exactly, "spun " + std::string(target.substr(6)) + " ms\n"};
  if (target == "/row" || target.starts_with("/row?"))
    return {Body::beginning_with, "row for " + std::string(target) + " "};
  if (target.starts_with("/bytes/") && is_number(target.substr(7), length))
    return {Body::pattern, "", length};
  return {};
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
  const std::size_t before = lines_.size();
  // The empty line may have begun in what came earlier.
  const std::size_t start = before < 3 ? 0 : before - 3;
  lines_ += bytes.substr(0, longest_head);
  const std::size_t end = lines_.find("\r\n\r\n", start);
  if (end == std::string::npos) {
    if (lines_.size() >= longest_head) problem_ = "a response whose head does not end";
    return bytes.size();
  }
  lines_.resize(end + 4);
  stage_ = Stage::body;
  return lines_.size() - before;
}

void ResponseCheck::read_head(const Expectation& expected) {
  const std::string_view lines = std::string_view(lines_).substr(0, lines_.size() - 2);
  problem_ = read_response_head(lines, head_);
  using Body = Expectation::Body;
  const std::uint64_t length = head_.content_length;
  if (!problem_.empty()) return;
  if (head_.status != 200) {
    if (!expected.may_be_an_error)
      problem_ = "answered '" + readable(lines.substr(0, lines.find('\r'))) + "' instead of 200";
  } else if ((expected.body == Body::exactly && length != expected.text.size()) ||
             (expected.body == Body::pattern && length != expected.length) ||
             (expected.body == Body::beginning_with && length < expected.text.size()) ||
             (expected.body == Body::something && length == 0)) {
    problem_ = "a response of the wrong length (" + std::to_string(length) + " bytes)";
  }
}

std::size_t ResponseCheck::take_body(std::string_view bytes, const Expectation& expected) {
  const std::uint64_t left = head_.content_length - received_;
  bytes = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size())));
  const bool is_right = head_.status != 200 || (expected.body == Expectation::Body::pattern
                                                    ? is_pattern(bytes, received_)
                                                    : agrees(bytes, received_, expected.text));
  if (!is_right) problem_ = "a wrong body: '" + readable(bytes) + "'";
  received_ += bytes.size();
  if (received_ == head_.content_length) stage_ = Stage::finished;
  return bytes.size();
}
