// story.hpp — how a target says what went wrong.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/unit/socket_pair.hpp"

[[noreturn]] inline void tell_and_abort(std::string_view what, std::string_view input) {
  std::fprintf(stderr, "\n%.*s\ninput: %s\n", static_cast<int>(what.size()), what.data(),
               shown(input).c_str());
  std::abort();
}
