// replay — runs the kept inputs of the fuzzers. Any compiler can build it.
//
// Usage: build/tests/replay [CORPUS]         every file of CORPUS/NAME (tests/fuzz/corpus)
//        build/tests/replay NAME FILE...     these files by the target NAME
// A target that finds something aborts; the last line names the file.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/targets.hpp"

namespace {

using Path = std::filesystem::path;

void replay(const Target& target, const Path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string input(std::istreambuf_iterator<char>(file), {});
  // Before, because the target may end the process.
  std::fprintf(stderr, "%s %s\r", target.name, path.c_str());
  target.run(input);
  std::fprintf(stderr, "\033[K");
}

std::vector<Path> files_in(const Path& folder) {
  std::vector<Path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

int replay_corpus(const Path& corpus) {
  for (const Target& target : targets) {
    const std::vector<Path> files = files_in(corpus / target.name);
    for (const Path& file : files) replay(target, file);
    std::printf("replay: %s, %zu inputs, nothing found\n", target.name, files.size());
    if (files.empty()) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  alarm(60);
  if (argc <= 2) return replay_corpus(argc == 2 ? argv[1] : "tests/fuzz/corpus");
  for (const Target& target : targets) {
    if (argv[1] != std::string_view(target.name)) continue;
    for (int i = 2; i < argc; ++i) replay(target, argv[i]);
    return 0;
  }
  std::fprintf(stderr, "replay: there is no target %s\n", argv[1]);
  return 2;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "replay: %s\n", problem.what());
  return 2;
}
