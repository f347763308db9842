// fuzz — lets clang's libFuzzer look for inputs that break a target.
//
// Usage: FUZZ=request build/tests/fuzz -max_total_time=60 build/corpus/request
//        tests/fuzz/corpus/request
// FUZZ names the target: request, response or conversation. New inputs go to the first folder.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/fuzz/targets.hpp"

namespace {

const Target& chosen_target() {
  const char* const name = std::getenv("FUZZ");
  for (const Target& target : targets)
    if (name != nullptr && std::string_view(name) == target.name) return target;
  std::fprintf(stderr, "fuzz: FUZZ must be request, response or conversation\n");
  std::exit(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Target& target = chosen_target();
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
