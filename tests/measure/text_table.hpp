// text_table.hpp — numbers and tables for a terminal.
//
// Gives: numbers as a person writes them, and columns that line up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

std::string with_commas(std::uint64_t number);       // 12,345
std::string with_commas(double number, int digits);  // 12,345.7
std::string with_digits(double number, int digits);  // three of 0.987 are 0.987
std::string three_digits(double number);             // 0.14, 23.2, 1,189: enough to compare by eye
std::string in_bytes(double bytes);                  // 112 B, 8.3 KiB, 8.0 MiB
std::string in_milliseconds(double nanoseconds);     // 0.14 ms, 23.2 ms, 189 ms
std::string milliseconds_only(double nanoseconds);   // the same without the unit
std::string in_percent(double share);                // 99.2%

// What all that is printed for a person keeps to.
inline constexpr std::size_t screen_width = 80;

// May a line on this descriptor be drawn again, with "\r" and "\033[K"? Not in a file, and not on a
// terminal that calls itself dumb, or nothing.
bool can_redraw(int fd);

// On such a terminal, one line on stderr that the next one takes the place of; an empty one wipes
// it out. Elsewhere nothing.
void say_progress(const std::string& line);

// A server's name for the head of a narrow column: "thread_per_\nconnection", cut at the underscore
// or space that is nearest to its middle.
std::string in_two_lines(const std::string& name);

// A column's, of two lines if there is a '\n' in it.
struct Title {
  explicit Title(const std::string& text);
  std::string upper;
  std::string lower;
};

class TextTable {
 public:
  // The first column is aligned to the left, the others to the right.
  explicit TextTable(const std::vector<std::string>& titles);
  void add(std::vector<std::string> cells);
  std::string text() const;

 private:
  std::size_t width_of(std::size_t column) const;
  std::vector<Title> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// The median, which one disturbed measurement does not move. 0 if there are none.
double median(std::vector<double> values);

// As fold(1): lines of screen_width at most, each begun with `indent`, or the first with `first`.
std::string folded(const std::string& text, const std::string& indent, const std::string& first);
std::string folded(const std::string& text, const std::string& indent = "");
