// behaviour — every black-box check against every server it applies to, as doctest cases.
//
// Usage: build/tests/behaviour -h says it.
//
// A case is named "poll_loop: B02 fifty pipelined requests come back in order".
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "tests/behaviour/catalogue.hpp"
#include "tests/kit/command_line.hpp"

namespace {

constexpr const char* usage =
    "usage: behaviour [--build=DIR] [--server=NAME]... [doctest's options]\n"
    "Every black-box check against every server it applies to.\n"
    "  --build=DIR     where the servers are (build)\n"
    "  --server=NAME   only this one; may be given several times (all)\n"
    "  -tc='*half*'    only the cases whose name matches; -ltc lists the names,\n"
    "                  -? all that doctest can do\n";

struct Case {
  Check check;
  Tested tested;
};

// By name: a doctest case is a plain function and knows nothing but its name.
std::map<std::string, Case, std::less<>> cases;
std::string directory = "build";
std::vector<std::string> inconclusive;
std::size_t skipped = 0;
bool has_run_any = false;  // a pattern that names no case would pass as well

void run_current_case() {
  has_run_any = true;
  const std::string name = doctest::getContextOptions()->currentTest->m_name;
  const Case& current = cases.find(name)->second;
  const std::string again = "build/tests/behaviour --build=" + directory +
                            " --server=" + current.tested.name + " -tc='*" + current.check.name.id +
                            " *'";
  const Result result = run_check(current.check, current.tested, again);
  if (result.outcome == Outcome::failed || result.outcome == Outcome::broken)
    ADD_FAIL_CHECK_AT(current.check.run.file, static_cast<int>(current.check.run.line),
                      result.story);
  if (result.outcome == Outcome::inconclusive)
    inconclusive.push_back(name + " (" + result.story + ")");
  if (result.outcome == Outcome::skipped) {
    ++skipped;
    std::cout << "skipped: " << name << ": " << result.story << "\n";
  }
  if (result.tries > 1 && result.outcome != Outcome::inconclusive)
    std::cout << "note: " << name << " needed " << result.tries << " tries to be judged\n";
}

bool register_cases(const std::vector<std::string>& wanted) {
  for (const std::string& name : wanted) {
    const auto all = programs();
    const auto program = std::find_if(all.begin(), all.end(),
                                      [&name](const Program& one) { return one.name == name; });
    if (program == all.end()) {
      std::fprintf(stderr, "behaviour: there is no server called '%s'\n", name.c_str());
      return false;
    }
    const Tested tested{name, directory + "/" + name, program->model};
    if (access(tested.path.c_str(), X_OK) != 0) {
      std::fprintf(stderr,
                   "behaviour: there is no program %s; build it first, or name others "
                   "with --server=NAME\n",
                   tested.path.c_str());
      return false;
    }
    for (const Check& check : all_checks())
      if ((check.models & program->model) != 0)
        cases[name + ": " + check.name.id + " " + check.name.title] = {check, tested};
  }
  for (const auto& [name, one] : cases)
    doctest::detail::regTest(
        doctest::detail::TestCase(run_current_case, one.check.run.file, one.check.run.line,
                                  doctest_detail_test_suite_ns::getCurrentTestSuite()) *
        name.c_str());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  std::vector<std::string> wanted;
  std::vector<std::string> words = read_command_line(
      argc, argv, usage, {text("--build", directory), texts("--server", wanted)},
      [](const std::string& word) { return !word.starts_with("--") || word.starts_with("--dt-"); });
  words.insert(words.begin(), argv[0]);
  std::vector<const char*> rest;
  for (const std::string& word : words) rest.push_back(word.c_str());
  if (wanted.empty())
    for (const Program& program : programs()) wanted.emplace_back(program.name);
  if (!register_cases(wanted)) return 2;

  doctest::Context context;
  context.setOption("order-by", "name");  // A00, whether it starts at all, comes first
  context.applyCommandLine(static_cast<int>(rest.size()), rest.data());
  const int failed = context.run();
  if (context.shouldExit()) return failed;  // -ltc, -h and the like
  if (skipped > 0) std::cout << skipped << " skipped, for the reasons above\n";
  for (const std::string& name : inconclusive)
    std::cout << "inconclusive three times, counted as passed: " << name << "\n";
  if (!has_run_any) {
    std::fprintf(stderr, "behaviour: no case matches\n");
    return 2;
  }
  return failed;
}
