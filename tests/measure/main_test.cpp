// Runs the cases about the instruments and about prefork.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <string>

#include "common/program.hpp"
#include "tests/measure/programs.hpp"
#include "tests/measure/tool.hpp"

using namespace two_ways;

namespace {

std::string directory;

}  // namespace

std::string program(const std::string& name) {
  return directory + "/" + name;
}

int main(int argc, char** argv) {
  directory = directory_of(argv[0]) + "/..";
  raise_descriptor_limit();
  return doctest::Context(argc, argv).run();
}
