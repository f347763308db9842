// Runs the cases about the instruments and about prefork.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <string>

#include "common/program.hpp"
#include "tests/measure/programs.hpp"

using namespace two_ways;

namespace {

std::string directory = "build";

}  // namespace

std::string program(const std::string& name) {
  return directory + "/" + name;
}

int main(int argc, char** argv) {
  const std::string own = argv[0];
  const std::size_t slash = own.rfind('/');
  if (slash != std::string::npos) directory = own.substr(0, slash) + "/..";
  raise_descriptor_limit();
  return doctest::Context(argc, argv).run();
}
