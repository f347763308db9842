// replay — runs the kept inputs of the fuzzers. Any compiler can build it.
//
// Usage: build/tests/replay [CORPUS]         every file of CORPUS/NAME (tests/fuzz/corpus)
// A target that finds something aborts; the last line names the file.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "tests/fuzz/targets.hpp"

namespace {

using Path = std::filesystem::path;

std::string replayed;  // the file that is being run

// A target that finds something ends the process: then say with which file.
void name_the_file(int signal) {
  constexpr std::string_view words = "replay: found with ";
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, words.data(), words.size());
  written = write(STDERR_FILENO, replayed.data(), replayed.size());
  written = write(STDERR_FILENO, "\n", 1);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void replay(const Target& target, const Path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string input(std::istreambuf_iterator<char>(file), {});
  replayed = path.string();
  target.run(input);
}

int replay_corpus(const Path& corpus) {
  for (const Target& target : targets) {
    const std::filesystem::directory_iterator folder(corpus / target.name);
    const std::set<Path> files(begin(folder), end(folder));  // in an order
    for (const Path& file : files) replay(target, file);
    std::printf("replay: %s, %zu inputs, nothing found\n", target.name, files.size());
    if (files.empty()) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  for (const int end : {SIGABRT, SIGSEGV, SIGALRM}) std::signal(end, name_the_file);
  alarm(60);
  return replay_corpus(argc > 1 ? argv[1] : "tests/fuzz/corpus");
} catch (const std::exception& problem) {
  std::fprintf(stderr, "replay: %s\n", problem.what());
  return 2;
}
