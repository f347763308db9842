#include "tests/lessons/document.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <regex>

#include "common/error.hpp"

using namespace two_ways;

Lines read_lines(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw CallFailed("open " + path, errno);
  Lines lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

void write_lines(const std::string& path, const Lines& lines) {
  const std::string draft = path + ".new";
  {
    std::ofstream file(draft);
    for (const std::string& line : lines) file << line << '\n';
    file.flush();
    if (!file) throw CallFailed("write " + draft, errno);
  }
  if (std::rename(draft.c_str(), path.c_str()) != 0) throw CallFailed("rename " + draft, errno);
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

std::size_t indentation(std::string_view line) {
  const std::size_t first = line.find_first_not_of(' ');
  return first == line.npos ? line.size() : first;
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == line.npos;
}

namespace {

// As code hosts make it: lower case, letters, digits, hyphens and underscores kept, spaces to
// hyphens, and a number behind one that is there already.
std::string anchor_of(std::string_view heading, const std::vector<std::string>& known) {
  std::string anchor;
  for (const char c : heading) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || byte >= 0x80)
      anchor += static_cast<char>(std::tolower(byte));
    else if (c == ' ')
      anchor += '-';
  }
  const std::string first = anchor;
  for (int i = 1; std::find(known.begin(), known.end(), anchor) != known.end(); ++i)
    anchor = first + "-" + std::to_string(i);
  return anchor;
}

// "console: needs X" for a line "<!-- console: needs X -->" above the fence.
std::string mark_above(const Lines& lines, std::size_t fence) {
  static const std::regex comment("<!-- (.*) -->");
  while (fence > 0 && is_blank(lines[fence - 1])) --fence;
  std::smatch part;
  return fence > 0 && std::regex_match(lines[fence - 1], part, comment) ? part[1].str() : "";
}

void add_explicit_anchors(const std::string& line, std::vector<std::string>& anchors) {
  static const std::regex anchor("<a id=\"([^\"]*)\"");
  for (std::sregex_iterator match(line.begin(), line.end(), anchor), end; match != end; ++match)
    anchors.push_back((*match)[1]);
}

void add_heading(Document& document, std::size_t i) {
  const std::string& line = document.lines[i];
  const std::size_t level = line.find_first_not_of('#');
  if (level == 0 || level == line.npos || line[level] != ' ') return;
  const std::string text = trimmed(std::string_view(line).substr(level));
  const std::string anchor = anchor_of(text, document.anchors);
  document.anchors.push_back(anchor);
  if (level > 2) return;
  if (!document.lessons.empty() && document.lessons.back().end == 0)
    document.lessons.back().end = i;
  const std::size_t dot = text.find(". ");
  const bool is_lesson =
      level == 2 && dot != text.npos && dot > 0 && text.find_first_not_of("0123456789") == dot;
  if (is_lesson) document.lessons.push_back({std::stoi(text), text.substr(dot + 2), anchor, i, 0});
}

}  // namespace

Document read_document(const std::string& path) {
  Document document;
  document.path = path;
  document.lines = read_lines(path);
  const Lines& lines = document.lines;
  document.is_code.assign(lines.size(), false);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with("```")) {
      add_explicit_anchors(lines[i], document.anchors);
      add_heading(document, i);
      continue;
    }
    Fence fence{i, i + 1, trimmed(std::string_view(lines[i]).substr(3)), mark_above(lines, i)};
    while (fence.end < lines.size() && lines[fence.end] != "```") ++fence.end;
    for (; i < lines.size() && i <= fence.end; ++i) document.is_code[i] = true;
    --i;
    document.fences.push_back(fence);
  }
  if (!document.lessons.empty() && document.lessons.back().end == 0)
    document.lessons.back().end = lines.size();
  return document;
}

const Lesson* Document::lesson_of(std::size_t line) const {
  for (const Lesson& lesson : lessons)
    if (lesson.begin <= line && line < lesson.end) return &lesson;
  return nullptr;
}

void Report::add(std::size_t line, const std::string& what) {
  ++count_;
  const Lesson* lesson = document_.lesson_of(line);
  const std::string where =
      lesson == nullptr ? "" : "lesson " + std::to_string(lesson->number) + ": ";
  std::printf("%s:%zu: %s%s\n", document_.path.c_str(), line + 1, where.c_str(), what.c_str());
}
