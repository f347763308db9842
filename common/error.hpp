// error.hpp — failed system calls, in words.
//
// Gives: the line every program here prints when a call fails:
//        call, symbolic error, words, descriptor — "bind: EINVAL (Invalid argument), descriptor 6".
// Do:    pass errno at once; almost any call in between may change it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace two_ways {

// The symbol of an errno value, "EMFILE"; "errno 4711" for one without a name here.
std::string error_symbol(int error);

// "accept: EMFILE (Too many open files), descriptor 3". A negative descriptor is left out.
std::string describe_failure(std::string_view call, int error, int descriptor = -1);

// Writes a line to stderr, or drops it if that would park the thread: whoever reads there may be
// late (a pipe that is full), and must not hold up a server. Signal handlers may call it. Changes
// errno.
void complain(std::string_view line) noexcept;

// A call failed that the program cannot go on without. what() is describe_failure()'s line.
struct CallFailed : std::runtime_error {
  CallFailed(std::string_view call, int error, int descriptor = -1);
  // With `what`, such as a port, in the place of a descriptor.
  CallFailed(std::string_view call, int error, const std::string& what);
  int error;
};

}  // namespace two_ways
