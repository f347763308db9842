// command_line.hpp — the command line of a test program.
//
// Gives: options as a list of what each sets. A bad command line ends the program with one line on
//        stderr, which says which word was not understood, and status 2; -h and --help print the
//        usage text and end it with 0.
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <vector>

struct Option {
  const char* name;  // "-d", "--build"
  bool takes_value;
  std::function<void(const std::string& value)> set;
};

Option flag(const char* name, bool& on);
Option text(const char* name, std::string& value);
Option texts(const char* name, std::vector<std::string>& values);  // may be given several times
Option number(const char* name, double least, double most, std::function<void(double)> set,
              bool is_whole = false);

template <class Number>
Option number(const char* name, Number& value, double least, double most) {
  return number(
      name, least, most, [&value](double read) { value = static_cast<Number>(read); },
      std::is_integral_v<Number>);
}

// A value stands behind its option as the next word, behind a '=', or right behind a letter: -d
// DIR,
// --build=DIR, -c64. Returns the words that are no options, in their order; with `is_others`, also
// those options for which it holds.
std::vector<std::string> read_command_line(
    int argc, char** argv, const std::string& usage, const std::vector<Option>& options,
    const std::function<bool(const std::string& word)>& is_others = {});

// Ends the program: "attack: there is no attack x (-h shows the usage)", and status 2.
[[noreturn]] void refuse_usage(const std::string& reason);
