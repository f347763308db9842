#include "tests/measure/tool.hpp"

#include <cstdio>
#include <exception>

#include "tests/kit/interruption.hpp"

std::string directory_of(const std::string& program) {
  const std::size_t slash = program.rfind('/');
  return slash == std::string::npos ? "." : program.substr(0, slash);
}

int run_tool(const char* name, const std::function<int()>& run) try {
  return run();
} catch (const AskedToStop& interruption) {
  std::fprintf(stderr, "\n%s: interrupted; all servers are stopped\n", name);
  end_by(interruption);
} catch (const std::exception& problem) {
  std::fprintf(stderr, "%s: %s\n", name, problem.what());
  return 1;
}
