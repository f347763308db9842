// document.hpp — lessons.md, as lines and what they are.
//
// Gives: the lines, which of them lie in fenced blocks, the anchors, the
//        lessons, and a report that collects what is wrong and where.
// Do not: keep pointers into it over a change of its lines; read it anew.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using Lines = std::vector<std::string>;

Lines read_lines(const std::string& path);                      // throws CallFailed
void write_lines(const std::string& path, const Lines& lines);  // all or nothing; throws CallFailed

std::string trimmed(std::string_view text);
std::size_t indentation(std::string_view line);
bool is_blank(std::string_view line);

// A fenced block. `mark` is what the comment above it says, "console: needs X" for
// "<!-- console: needs X -->", or empty.
struct Fence {
  std::size_t begin;  // the line that opens it
  std::size_t end;    // the line that closes it
  std::string language;
  std::string mark;
};

// From its heading to the next: "## 3. Refusing to wait".
struct Lesson {
  int number;
  std::string title;
  std::string anchor;
  std::size_t begin;
  std::size_t end;  // one past its last line
};

struct Document {
  std::string path;
  Lines lines;
  std::vector<bool> is_code;  // for each line: in a fence, or one of its borders
  std::vector<Fence> fences;
  std::vector<std::string> anchors;  // of headings and of <a id="...">
  std::vector<Lesson> lessons;

  // The lesson that a line is in; nullptr before the first and after the last.
  const Lesson* lesson_of(std::size_t line) const;
};

Document read_document(const std::string& path);

// What is wrong. A line number counts from 1, as editors do.
class Report {
 public:
  explicit Report(const Document& document) : document_(document) {}
  void add(std::size_t line, const std::string& what);
  std::size_t count() const { return count_; }

 private:
  const Document& document_;
  std::size_t count_ = 0;
};
