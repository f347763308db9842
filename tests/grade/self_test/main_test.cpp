// Runs the cases about the grader itself.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "tests/grade/self_test/build_directory.hpp"

namespace {

std::string directory = "build";

}  // namespace

const std::string& build_directory() {
  return directory;
}

int main(int argc, char** argv) {
  const std::string own = argv[0];
  const std::size_t slash = own.rfind('/');
  if (slash != std::string::npos) directory = own.substr(0, slash) + "/..";
  return doctest::Context(argc, argv).run();
}
