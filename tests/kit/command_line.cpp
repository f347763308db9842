#include "tests/kit/command_line.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

std::string program = "this program";  // its name, for complaints

// The option that the word names, alone or with its value behind it.
const Option* find_option(const std::vector<Option>& options, std::string_view word) {
  for (const Option& option : options) {
    const std::string_view name = option.name;
    if (!word.starts_with(name)) continue;
    const bool is_letter = name.size() == 2;
    if (word.size() == name.size() ||
        (option.takes_value && (is_letter || word[name.size()] == '=')))
      return &option;
  }
  return nullptr;
}

// strtod, because from_chars for fractions is missing from Apple's C++ library.
bool read_number(const std::string& text, bool is_whole, double& value) {
  char* end = nullptr;
  value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' &&
         text.find_first_not_of(is_whole ? "0123456789" : "0123456789.") == text.npos;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.12g", value);
  return text;
}

}  // namespace

void refuse_usage(const std::string& reason) {
  std::fprintf(stderr, "%s: %s (-h shows the usage)\n", program.c_str(), reason.c_str());
  std::exit(2);
}

Option flag(const char* name, bool& on) {
  return {name, false, [&on](const std::string&) { on = true; }};
}

Option text(const char* name, std::string& value) {
  return {name, true, [&value](const std::string& read) { value = read; }};
}

Option texts(const char* name, std::vector<std::string>& values) {
  return {name, true, [&values](const std::string& read) { values.push_back(read); }};
}

Option number(const char* name, double least, double most, std::function<void(double)> set,
              bool is_whole) {
  return {name, true, [=](const std::string& read) {
            double value = 0;
            const bool is_number = read_number(read, is_whole, value);
            if (!is_number || value < least || value > most)
              refuse_usage(std::string(name) + " takes a " + (is_whole ? "whole " : "") +
                           "number from " + short_number(least) + " to " + short_number(most) +
                           ", not '" + read + "'");
            set(value);
          }};
}

std::vector<std::string> read_command_line(
    int argc, char** argv, const std::string& usage, const std::vector<Option>& options,
    const std::function<bool(const std::string& word)>& is_others) {
  program = argv[0];
  program.erase(0, program.rfind('/') + 1);
  std::vector<std::string> rest;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "-h" || word == "--help") {
      std::fputs(usage.c_str(), stdout);
      std::exit(0);
    }
    const Option* const option = find_option(options, word);
    if (option == nullptr) {
      const bool is_word = word == "-" || !word.starts_with('-');
      if (!is_word && !(is_others && is_others(word))) refuse_usage("there is no option " + word);
      rest.push_back(word);
      continue;
    }
    std::string value = word.substr(std::string_view(option->name).size());
    if (value.starts_with('=')) {
      value.erase(0, 1);
    } else if (value.empty() && option->takes_value) {
      if (++i == argc) refuse_usage(word + " needs a value");
      value = argv[i];
    }
    option->set(value);
  }
  return rest;
}
