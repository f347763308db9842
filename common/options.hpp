// options.hpp — the command line that all programs share.
//
// Gives: the options of getopt(3), checked. A bad command line ends the program with one line on
//        stderr and exit status 2; -h prints the usage text and ends it with 0.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace two_ways {

using Seconds = std::chrono::duration<double>;

// A thread's deepest call takes half of it; the rest is for the C library, and a signal's frame.
inline constexpr std::size_t least_stack_kib = 64;

struct Options {
  std::string address = "127.0.0.1";           // -a
  std::uint16_t port = 8080;                   // -p  0: the kernel chooses
  std::uint16_t backend_port = 0;              // -b  0: there is no backend
  Seconds idle_limit{60};                      // -t
  std::optional<Seconds> request_limit = {};   // -r  none: as idle_limit
  std::optional<Seconds> response_limit = {};  // -o  none: as idle_limit
  std::size_t thread_limit = 20'000;           // -n
  std::size_t stack_kib = 0;                   // -s  0: the system's default
  Seconds delay{0.05};                         // -d  given in milliseconds
  std::size_t workers = 2;                     // -w
  char** command = nullptr;                    // PROGRAM and its arguments, up to a null pointer
};

// `letters` are the options this program takes, such as "apbth". `purpose` is the sentence that -h
// prints between the usage line and the list of options. A '+' before the letters says, as to
// getopt(3), that a command follows the options: a PROGRAM, and words that are not ours to read.
// What is not given is as in `defaults`.
Options read_options(int argc, char** argv, std::string_view letters, std::string_view purpose,
                     const Options& defaults = {});

}  // namespace two_ways
