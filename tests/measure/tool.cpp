#include "tests/measure/tool.hpp"

#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

#include "tests/measure/client_group.hpp"

std::string directory_of(const std::string& program) {
  const std::size_t slash = program.rfind('/');
  return slash == std::string::npos ? "." : program.substr(0, slash);
}

std::string read_directory(int argc, char** argv, const char* usage) {
  std::string directory = directory_of(argv[0]);
  for (int letter; (letter = getopt(argc, argv, "d:h")) != -1;) {
    if (letter == 'd') {
      directory = optarg;
      continue;
    }
    std::fputs(usage, letter == 'h' ? stdout : stderr);
    std::exit(letter == 'h' ? 0 : 2);
  }
  return directory;
}

int run_tool(const char* name, int argc, char** argv, int (*run)(int argc, char** argv)) try {
  return run(argc, argv);
} catch (const Interrupted&) {
  std::fprintf(stderr, "\n%s: interrupted; all servers are stopped\n", name);
  return 130;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "%s: %s\n", name, problem.what());
  return 1;
}
