#include "tests/kit/response.hpp"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace {

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// A token of RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  static constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || others.find(c) != others.npos;
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
