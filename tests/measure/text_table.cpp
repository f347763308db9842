#include "tests/measure/text_table.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace {

std::string padded(const std::string& text, std::size_t width, bool left) {
  const std::string space(width > text.size() ? width - text.size() : 0, ' ');
  return left ? text + space : space + text;
}

std::string trimmed(std::string line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line + "\n";
}

}  // namespace

std::string with_digits(double number, int digits) {
  char room[64];
  std::snprintf(room, sizeof room, "%.*f", digits, number);
  return room;
}

std::string with_commas(double number, int digits) {
  std::string text = with_digits(number, digits);
  const std::size_t first = text.front() == '-' ? 1 : 0;
  for (std::size_t place = std::min(text.find('.'), text.size()); place > first + 3;)
    text.insert(place -= 3, 1, ',');
  return text;
}

std::string with_commas(std::uint64_t number) {
  return with_commas(static_cast<double>(number), 0);
}

std::string three_digits(double number) {
  if (number < 9.995) return with_digits(number, 2);
  if (number < 99.95) return with_digits(number, 1);
  return with_commas(static_cast<std::uint64_t>(std::llround(number)));
}

std::string in_bytes(double bytes) {
  if (bytes < 0) return "-" + in_bytes(-bytes);
  if (bytes < 1000) return with_digits(bytes, 0) + " B";
  const char* units[] = {" KiB", " MiB", " GiB"};
  int unit = 0;
  for (bytes /= 1024; bytes >= 1000 && unit < 2; ++unit) bytes /= 1024;
  return with_digits(bytes, bytes < 99.95 ? 1 : 0) + units[unit];
}

std::string milliseconds_only(double nanoseconds) {
  return three_digits(nanoseconds / 1e6);
}

std::string in_milliseconds(double nanoseconds) {
  return milliseconds_only(nanoseconds) + " ms";
}

std::string in_percent(double share) {
  // 99.96% is not "100.0%": something was done.
  if (share < 1 && share > 0.9995) return with_digits(std::min(share * 100, 99.99), 2) + "%";
  return with_digits(share * 100, 1) + "%";
}

bool can_redraw(int fd) {
  const char* kind = std::getenv("TERM");
  return isatty(fd) == 1 && kind != nullptr && *kind != '\0' && std::string(kind) != "dumb";
}

void say_progress(const std::string& line) {
  static const bool is_terminal = can_redraw(STDERR_FILENO);
  if (is_terminal) std::fprintf(stderr, "\r%s\033[K", line.c_str());
}

std::string in_two_lines(const std::string& name) {
  const std::size_t middle = name.size() / 2;
  const std::size_t after = name.find_first_of("_ ", middle);
  const std::size_t before = name.find_last_of("_ ", middle);
  const bool is_after =
      before == name.npos || (after != name.npos && after - middle < middle - before);
  const std::size_t cut = is_after ? after : before;
  if (cut == name.npos) return name;
  return name.substr(0, name[cut] == '_' ? cut + 1 : cut) + "\n" + name.substr(cut + 1);
}

Title::Title(const std::string& text) {
  const std::size_t end = text.find('\n');
  if (end != text.npos) upper = text.substr(0, end);
  lower = text.substr(end + 1);  // from the beginning, if there is no end
}

TextTable::TextTable(const std::vector<std::string>& titles)
    : columns_(titles.begin(), titles.end()) {}

void TextTable::add(std::vector<std::string> cells) {
  rows_.push_back(std::move(cells));
}

std::size_t TextTable::width_of(std::size_t column) const {
  std::size_t width = std::max(columns_[column].upper.size(), columns_[column].lower.size());
  for (const auto& row : rows_) width = std::max(width, row[column].size());
  return width;
}

std::string TextTable::text() const {
  std::string upper;
  std::string lower;
  std::vector<std::string> lines(rows_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::size_t width = width_of(i);
    const bool left = i == 0;
    const std::string gap = left ? "" : "  ";
    upper += gap + padded(columns_[i].upper, width, left);
    lower += gap + padded(columns_[i].lower, width, left);
    for (std::size_t r = 0; r < rows_.size(); ++r)
      lines[r] += gap + padded(rows_[r][i], width, left);
  }
  const std::string rule(lower.size(), '-');
  const bool one_line = upper.find_first_not_of(' ') == std::string::npos;
  std::string text = (one_line ? "" : trimmed(upper)) + trimmed(lower) + rule + "\n";
  for (const std::string& line : lines) text += trimmed(line);
  return text;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

std::string folded(const std::string& text, const std::string& indent, const std::string& first) {
  std::istringstream words(text);
  std::string result;
  std::string line = first;
  for (std::string word; words >> word;) {
    if (line.size() > indent.size() && line.size() + 1 + word.size() > screen_width) {
      result += line + "\n";
      line = indent;
    }
    line += (line.empty() || line.ends_with(' ') ? "" : " ") + word;
  }
  return result + line + "\n";
}

std::string folded(const std::string& text, const std::string& indent) {
  return folded(text, indent, indent);
}
