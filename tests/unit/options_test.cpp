#include "common/options.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "tests/kit/forked.hpp"

namespace {

constexpr const char* every_letter = "apbtnsdh";

// Reads the command line in a child, because a bad one ends the program. A good one is printed.
ChildEnd read_in_child(std::vector<std::string> words, const char* letters = every_letter) {
  return run_in_child([&words, letters] {
    std::vector<char*> arguments;
    std::string program = "server";
    arguments.push_back(program.data());
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const int count = static_cast<int>(arguments.size()) - 1;
    const Options options = read_options(count, arguments.data(), letters, "Serves.");
    std::printf("%s %u %u %g %zu %zu %g", options.address.c_str(), unsigned{options.port},
                unsigned{options.backend_port}, options.idle_limit.count(), options.thread_limit,
                options.stack_kib, options.delay.count());
  });
}

}  // namespace

TEST_CASE("options: what is given is taken, what is not has its default") {
  CHECK(read_in_child({}).out == "127.0.0.1 8080 0 60 20000 0 0.05");
  const ChildEnd end = read_in_child(
      {"-a", "::1", "-p0", "-b", "9090", "-t", "0.5", "-n", "7", "-s", "64", "-d", "250"});
  CHECK(end.exit_status == 0);
  CHECK(end.out == "::1 0 9090 0.5 7 64 0.25");
}

TEST_CASE("options: -h tells of the options this program takes, and of no others") {
  const ChildEnd end = read_in_child({"-h"}, "pdh");
  CHECK(end.exit_status == 0);
  CHECK(end.err.empty());
  CHECK(end.out.starts_with("usage: server [-p PORT] [-d DELAY_MS]\nServes.\n"));
  CHECK(end.out.find("  -p PORT ") != std::string::npos);
  CHECK(end.out.find("  -d DELAY_MS ") != std::string::npos);
  CHECK(end.out.find("-b") == std::string::npos);

  std::istringstream lines(read_in_child({"-h"}, "wapbtronsdh").out);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK(line.size() <= 80);
  }
}

TEST_CASE("options: the options of a command that follows are left to it") {
  const ChildEnd end = read_in_child({"-p", "0", "cat", "-t", "-x"}, "+ph");
  CHECK(end.exit_status == 0);
  CHECK(end.out.starts_with("127.0.0.1 0 0 60 "));
  CHECK(read_in_child({"-h"}, "+ph")
            .out.starts_with("usage: server [-p PORT] PROGRAM [ARGUMENT...]\n"));
  const ChildEnd missing = read_in_child({"-p", "0"}, "+ph");
  CHECK(missing.exit_status == 2);
  CHECK(missing.err.find("PROGRAM") != std::string::npos);
}

TEST_CASE("options: the complaint names the option, what it takes and what was given") {
  const std::string said = read_in_child({"-p", "eighty"}).err;
  for (const char* word : {"-p", "0 to 65535", "'eighty'"})
    CHECK(said.find(word) != std::string::npos);
  INFO("a program refuses the options it does not take");
  const ChildEnd end = read_in_child({"-n", "5"}, "ph");
  CHECK(end.exit_status == 2);
  CHECK(end.err.find("no option -n") != std::string::npos);
}
