// targets.hpp — what is fuzzed. Each target takes any bytes, and aborts with a story on stderr if
// the code under test breaks a promise.
//
// Two mains call them: fuzz.cpp, with which clang's libFuzzer looks for inputs that reach new code,
// and replay.cpp, which any compiler can build and which runs the kept inputs of corpus/.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/unit/socket_pair.hpp"

struct Target {
  const char* name;  // its folder in corpus/
  void (*run)(std::string_view input);
};

// The request parser: its verdict does not depend on how the bytes were cut.
void fuzz_request(std::string_view input);

// The parser of the backend's response, and what is made of it: likewise.
void fuzz_response(std::string_view input);

// A whole conversation over a socket pair, by a schedule of bytes, resets, readiness and deadlines:
// continuations and coroutine do and response the same. The schedule's language: see its .cpp.
void fuzz_conversation(std::string_view input);

inline constexpr Target targets[] = {
    {"request", fuzz_request},
    {"response", fuzz_response},
    {"conversation", fuzz_conversation},
};

// How a target says what went wrong.
[[noreturn]] inline void tell_and_abort(std::string_view what, std::string_view input) {
  std::fprintf(stderr, "\n%.*s\ninput: %s\n", static_cast<int>(what.size()), what.data(),
               shown(input).c_str());
  std::abort();
}
