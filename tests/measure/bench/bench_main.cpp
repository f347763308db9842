// run_bench — measures every claim of the lesson, and says which hold on this machine.
#include <getopt.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "common/signals.hpp"
#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/machine.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/tool.hpp"

namespace {

void print_usage(FILE* where) {
  std::fputs(
      "usage: run_bench [-d DIRECTORY] [-o DIRECTORY] [-q] [EXPERIMENT...]\n"
      "Measures the lesson's claims and says which of them hold on this machine.\n"
      "  -d DIRECTORY  where the programs are (beside this one)\n"
      "  -o DIRECTORY  where to put a CSV file for each experiment (bench, beside them)\n"
      "  -q            quick: three repeats instead of seven, and shorter ones\n",
      where);
  for (const BenchExperiment* experiment : bench_experiments()) {
    std::string lines = wrapped(experiment->claim, screen_width, std::string(12, ' '));
    lines.replace(2, experiment->name.size(), experiment->name);
    std::fputs(lines.c_str(), where);
  }
}

std::vector<const BenchExperiment*> wanted(int argc, char** argv, int first) {
  std::vector<const BenchExperiment*> found;
  for (int i = first; i < argc; ++i) {
    const std::size_t before = found.size();
    for (const BenchExperiment* experiment : bench_experiments())
      if (experiment->name == argv[i]) found.push_back(experiment);
    if (found.size() > before) continue;
    std::fprintf(stderr, "run_bench: there is no experiment '%s' (-h lists them)\n", argv[i]);
    std::exit(2);
  }
  return found.empty() ? bench_experiments() : found;
}

bool write_csv(const BenchSettings& settings, const BenchExperiment& experiment, const Bench& bench,
               std::optional<double> others) {
  const std::string path = settings.output + "/" + experiment.name + ".csv";
  std::ofstream file(path);
  file << "# experiment: " << experiment.name << ": " << experiment.claim << "\n"
       << machine_header() << "# settings: " << bench.results.repeats_text() << ", "
       << (settings.quick ? "quick" : "whole") << "; medians with least and most\n"
       << "# others: " << (others ? in_percent(*others) : "unknown")
       << " of this machine's CPUs, used by other programs meanwhile\n";
  file << "# verdict: " << bench.verdict() << "\n";
  for (const std::string& note : bench.notes()) file << "# note: " << note << "\n";
  file << bench.results.csv();
  if (file.flush()) return true;
  std::fprintf(stderr, "run_bench: cannot write %s\n", path.c_str());
  return false;
}

void print_notes(const Bench& bench, std::optional<double> others) {
  for (const std::string& note : bench.notes())
    std::fputs(wrapped("(" + note + ")", screen_width, "  ").c_str(), stdout);
  if (others && *others > 0.1)
    std::printf("  (other programs used %s of this machine meanwhile: repeat it alone)\n",
                in_percent(*others).c_str());
  for (const std::string& failure : bench.results.failures())
    std::fputs(wrapped("FAILED: " + failure, screen_width, "  ").c_str(), stdout);
}

// False: something that all models need has failed, so that there is no verdict. What has been
// measured until then is kept.
bool run_and_report(const BenchExperiment& experiment, Bench& bench) {
  std::string problem;
  try {
    experiment.run(bench);
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& failure) {
    problem = failure.what();
  }
  if (stop_requested()) throw Interrupted();
  bench.progress("");
  bench.note_saturation();
  if (problem.empty())
    experiment.report(bench);
  else
    bench.verdict_impossible(problem);
  return problem.empty();
}

bool run_one(const BenchSettings& settings, const BenchExperiment& experiment) {
  const auto start = std::chrono::steady_clock::now();
  Bench bench(settings, experiment);
  std::printf("\n== %s ==  (about %.0f s)\n%s", experiment.name.c_str(), bench.budget(),
              wrapped("CLAIM: " + experiment.claim, screen_width, "").c_str());
  std::fflush(stdout);
  const OthersReading others;
  const bool reported = run_and_report(experiment, bench);
  const auto others_share = others.share();
  print_notes(bench, others_share);
  const bool written = write_csv(settings, experiment, bench, others_share);
  std::printf("  (%.0f s)\n",
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  std::fflush(stdout);
  return reported && written && bench.results.failures().empty();
}

int run(int argc, char** argv) {
  BenchSettings settings;
  settings.directory = directory_of(argv[0]);
  int letter;
  while ((letter = getopt(argc, argv, "d:o:qh")) != -1) {
    if (letter == 'd') {
      settings.directory = optarg;
    } else if (letter == 'o') {
      settings.output = optarg;
    } else if (letter == 'q') {
      settings.quick = true;
    } else {
      print_usage(letter == 'h' ? stdout : stderr);
      return letter == 'h' ? 0 : 2;
    }
  }
  if (settings.output.empty()) settings.output = settings.directory + "/bench";
  const auto chosen = wanted(argc, argv, optind);
  install_signal_handlers();
  raise_descriptor_limit();
  double budget = 0;
  for (const BenchExperiment* experiment : chosen) budget += Bench(settings, *experiment).budget();
  std::printf(
      "%sAbout %.1f minutes on a quiet machine. The models take turns, %zu times; numbers\n"
      "are medians, and least and most are in %s/*.csv\n",
      machine_header().c_str(), budget / 60, settings.repeats(), settings.output.c_str());
  bool all_well = true;
  for (const BenchExperiment* experiment : chosen)
    all_well = run_one(settings, *experiment) && all_well;
  return all_well ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return run_tool("run_bench", argc, argv, run);
}
