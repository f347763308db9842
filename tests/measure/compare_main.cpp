// compare — our servers against their floors, one experiment after the other.
#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "common/signals.hpp"
#include "tests/kit/child_process.hpp"
#include "tests/kit/reading.hpp"
#include "tests/measure/client_group.hpp"
#include "tests/measure/comparison.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/tool.hpp"

namespace {

void print_usage(FILE* where) {
  std::fputs(
      "usage: compare [-d DIRECTORY] [EXPERIMENT...]\n"
      "Our servers against their floors (tests/measure/floors), with what each is to\nreach.\n"
      "  -d DIRECTORY  where the programs are (beside this one)\n",
      where);
  for (const Experiment& experiment : experiments())
    std::fprintf(where, "  %-13s %s\n", experiment.name.c_str(), experiment.title.c_str());
}

const Experiment* find(const std::string& name) {
  for (const Experiment& experiment : experiments())
    if (experiment.name == name) return &experiment;
  return nullptr;
}

std::vector<const Experiment*> wanted(int argc, char** argv, int first) {
  std::vector<const Experiment*> found;
  for (int i = first; i < argc; ++i) {
    found.push_back(find(argv[i]));
    if (found.back() != nullptr) continue;
    std::fprintf(stderr, "compare: there is no experiment '%s' (compare -h)\n", argv[i]);
    std::exit(2);
  }
  if (found.empty())
    for (const Experiment& experiment : experiments()) found.push_back(&experiment);
  return found;
}

void print(const Findings& findings) {
  TextTable table({"what", "measured", "target", ""});
  for (const Finding& finding : findings.all) {
    const std::string verdict = finding.target.empty() ? "" : finding.reached ? "yes" : "NO";
    table.add({finding.what, finding.measured, finding.target, verdict});
  }
  if (!findings.all.empty()) std::fputs(table.text().c_str(), stdout);
  for (const Finding& finding : findings.all)
    std::fputs(wrapped(finding.what + ": " + finding.detail, screen_width, "  ").c_str(), stdout);
  for (const std::string& note : findings.notes)
    std::fputs(wrapped("(" + note + ")", screen_width, "  ").c_str(), stdout);
  for (const std::string& failure : findings.failures)
    std::fputs(wrapped("FAILED: " + failure, screen_width, "  ").c_str(), stdout);
}

void print(const OthersReading& others) {
  const auto share = others.share();
  if (share && *share > 0.1)
    std::printf("  (other programs used %s of this machine meanwhile: repeat it alone)\n",
                in_percent(*share).c_str());
}

struct Score {
  int targets = 0;
  int reached = 0;
  int failures = 0;
};

void add(Score& score, const Findings& findings) {
  for (const Finding& finding : findings.all) {
    if (finding.target.empty()) continue;
    ++score.targets;
    score.reached += finding.reached ? 1 : 0;
  }
  score.failures += static_cast<int>(findings.failures.size());
}

Findings run_one(const Experiment& experiment, const std::string& directory) try {
  return experiment.run(directory);
} catch (const StartFailed& failure) {
  if (stop_requested()) throw Interrupted();
  Findings findings;
  findings.failures.push_back(failure.what());
  return findings;
}

int run(int argc, char** argv) {
  std::string directory = directory_of(argv[0]);
  int letter;
  while ((letter = getopt(argc, argv, "d:h")) != -1) {
    if (letter == 'd') {
      directory = optarg;
      continue;
    }
    print_usage(letter == 'h' ? stdout : stderr);
    return letter == 'h' ? 0 : 2;
  }
  const auto chosen = wanted(argc, argv, optind);
  install_signal_handlers();
  raise_descriptor_limit();
  Score score;
  for (const Experiment* experiment : chosen) {
    std::printf("\n%s [%s]\n", experiment->title.c_str(), experiment->name.c_str());
    std::fflush(stdout);
    const OthersReading others;
    const Findings findings = run_one(*experiment, directory);
    print(findings);
    print(others);
    std::fflush(stdout);
    add(score, findings);
  }
  std::printf("\n%d of %d targets reached, %d failures\n", score.reached, score.targets,
              score.failures);
  return score.failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return run_tool("compare", argc, argv, run);
}
