#include "common/options.hpp"

#include <unistd.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace two_ways {

namespace {

[[noreturn]] void reject(const char* program, const std::string& reason) {
  std::fprintf(stderr, "%s: %s (-h shows the usage)\n", program, reason.c_str());
  std::exit(2);
}

// One option's argument, and how to complain about it.
struct Argument {
  const char* program;
  int letter;
  std::string_view text;

  [[noreturn]] void reject_expecting(const std::string& expected) const {
    reject(program, std::string("-") + static_cast<char>(letter) + " takes " + expected +
                        ", not '" + std::string(text) + "'");
  }

  std::size_t whole_number(std::size_t least, std::size_t most) const {
    std::size_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end || value < least || value > most)
      reject_expecting("a whole number from " + std::to_string(least) + " to " +
                       std::to_string(most));
    return value;
  }

  // strtod, because from_chars for fractions is missing from Apple's C++ library.
  double fraction(double least, double most) const {
    char* stop = nullptr;
    const double value = std::strtod(text.data(), &stop);
    const bool whole = stop == text.data() + text.size() && !text.empty() &&
                       text.find_first_not_of("0123456789.") == text.npos;
    if (!whole || !std::isfinite(value) || value < least || value > most) {
      char range[64];
      std::snprintf(range, sizeof range, "a number from %g to %g", least, most);
      reject_expecting(range);
    }
    return value;
  }

  Seconds time_limit() const { return Seconds(fraction(0.001, 86'400)); }
};

struct Explanation {
  char letter;
  const char* argument;
  const char* meaning;
};

constexpr Explanation explanations[] = {
    {'w', "WORKERS", "how many workers, one for each core perhaps (2)"},
    {'a', "ADDRESS", "numeric address to listen on (127.0.0.1)"},
    {'p', "PORT", "port to listen on; 0 lets the kernel choose (8080)"},
    {'b', "BACKEND_PORT", "port of the backend that /row asks (none)"},
    {'t', "IDLE_SECONDS", "how long a client may keep the server waiting (60)"},
    {'r', "REQUEST_SECONDS", "from the first byte of a request to its last (as -t)"},
    {'o', "RESPONSE_SECONDS", "for the next 16 KiB of a response to be taken (as -t)"},
    {'n', "THREADS", "most clients at a time; more wait in the backlog"},
    {'s', "STACK_KIB", "KiB of stack for each thread (the system's default)"},
    {'d', "DELAY_MS", "milliseconds from a request to its response (50)"},
};

bool takes(std::string_view letters, char letter) {
  return letters.find(letter) != std::string_view::npos;
}

bool takes_command(std::string_view letters) {
  return letters.starts_with('+');
}

// A word more of the last line, or of a new one where a terminal of 80 columns has no room for it.
void add_word(std::string& text, const std::string& word) {
  const std::size_t begin = text.rfind('\n') + 1;  // 0 if there is no line before it
  if (text.size() - begin + 1 + word.size() > 80) text += "\n      ";
  text += " " + word;
}

void print_usage(std::string_view program, std::string_view letters, std::string_view purpose,
                 const Options& defaults) {
  program.remove_prefix(program.rfind('/') + 1);
  std::string text = "usage: " + std::string(program);
  for (const Explanation& option : explanations)
    if (takes(letters, option.letter))
      add_word(text, std::string("[-") + option.letter + " " + option.argument + "]");
  if (takes_command(letters)) add_word(text, "PROGRAM [ARGUMENT...]");
  text += "\n" + std::string(purpose) + "\n";
  for (const Explanation& option : explanations) {
    if (!takes(letters, option.letter)) continue;
    std::string name = std::string("  -") + option.letter + " " + option.argument;
    name.resize(22, ' ');
    text += name + option.meaning;
    if (option.letter == 'n') text += " (" + std::to_string(defaults.thread_limit) + ")";
    text += "\n";
  }
  text += "It takes as many descriptors as `ulimit -Hn` allows.\n";
  std::fputs(text.c_str(), stdout);
}

// getopt's way of saying it: a colon behind each letter that takes an argument. The leading colon
// makes it tell a missing argument from an unknown option. POSIX stops at the first word that is
// no option; glibc goes on to look for options behind it, unless it is asked not to.
std::string getopt_list(std::string_view letters) {
#ifdef __GLIBC__
  std::string list = "+:";
#else
  std::string list = ":";
#endif
  if (takes_command(letters)) letters.remove_prefix(1);
  for (const char letter : letters)
    list += letter == 'h' ? std::string("h") : std::string{letter, ':'};
  return list;
}

}  // namespace

Options read_options(int argc, char** argv, std::string_view letters, std::string_view purpose,
                     const Options& defaults) {
  const char* program = argv[0];
  Options options = defaults;
  opterr = 0;  // the complaints are ours, so that they are the same on every system
  const std::string list = getopt_list(letters);
  for (int letter; (letter = getopt(argc, argv, list.c_str())) != -1;) {
    const Argument argument{program, letter, optarg != nullptr ? optarg : ""};
    switch (letter) {
      case 'a':
        options.address = argument.text;
        break;
      case 'p':
        options.port = static_cast<std::uint16_t>(argument.whole_number(0, 65535));
        break;
      case 'b':
        options.backend_port = static_cast<std::uint16_t>(argument.whole_number(1, 65535));
        break;
      case 't':
        options.idle_limit = argument.time_limit();
        break;
      case 'r':
        options.request_limit = argument.time_limit();
        break;
      case 'o':
        options.response_limit = argument.time_limit();
        break;
      case 'n':
        options.thread_limit = argument.whole_number(1, 1'000'000);
        break;
      case 's':
        options.stack_kib = argument.whole_number(least_stack_kib, 1 << 30);
        break;
      case 'd':
        options.delay = Seconds(argument.fraction(0, 600'000) / 1000);
        break;
      case 'w':
        options.workers = argument.whole_number(1, 256);
        break;
      case 'h':
        print_usage(program, letters, purpose, defaults);
        std::exit(0);
      case ':':
        reject(program, std::string("-") + static_cast<char>(optopt) + " needs a value");
      default:
        reject(program, std::string("there is no option -") + static_cast<char>(optopt));
    }
  }
  if (takes_command(letters)) {
    if (optind == argc) reject(program, "which PROGRAM is to be run?");
    options.command = argv + optind;
  } else if (optind < argc) {
    reject(program, std::string("unexpected argument '") + argv[optind] + "'");
  }
  return options;
}

}  // namespace two_ways
