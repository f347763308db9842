#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "tests/kit/command_line.hpp"
#include "tests/kit/interruption.hpp"
#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/machine.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/tool.hpp"

using namespace two_ways;

namespace {

std::string usage_of(const char* name, const char* about, const Experiments& all) {
  std::string usage = std::string("usage: ") + name +
                      " [-d DIRECTORY] [-o DIRECTORY] [-k] [-q] [EXPERIMENT...]\n" + about +
                      "\n"
                      "  -d DIRECTORY  where the programs are (beside this one)\n"
                      "  -o DIRECTORY  where to put a CSV file for each experiment (no files)\n"
                      "  -k            to be kept: ends when other programs use this machine, too\n"
                      "  -q            quick: fewer repeats, and shorter ones\n";
  for (const BenchExperiment& experiment : all) {
    std::string first = "  " + experiment.name;
    first.resize(15, ' ');
    usage += folded(experiment.claim, std::string(15, ' '), first);
  }
  return usage;
}

// Those that are named, or all.
Experiments chosen_of(const Experiments& all, const std::vector<std::string>& names) {
  Experiments found;
  for (const std::string& name : names) {
    const auto one = std::find_if(all.begin(), all.end(), [&](const BenchExperiment& experiment) {
      return experiment.name == name;
    });
    if (one == all.end()) refuse_usage("there is no experiment " + name);
    found.push_back(*one);
  }
  return found.empty() ? all : found;
}

bool write_csv(const BenchSettings& settings, const BenchExperiment& experiment,
               const BenchRun& bench, const OthersReading& company) {
  if (settings.output.empty()) return true;
  const std::string path = settings.output + "/" + experiment.name + ".csv";
  const auto others = company.share();
  std::ofstream file(path);
  file << "# experiment: " << experiment.name << ": " << experiment.claim << "\n"
       << machine_header() << "# settings: " << bench.results.repeats_text() << ", "
       << (settings.quick ? "quick" : "whole") << "; medians with least and most\n"
       << "# others: " << (others ? in_percent(*others) : "unknown")
       << " of this machine's CPUs, used by other programs meanwhile\n"
       << "# verdict: " << bench.verdict() << "\n";
  for (const std::string& note : bench.notes()) file << "# note: " << note << "\n";
  file << bench.results.csv();
  if (file.flush()) return true;
  std::fprintf(stderr, "run_bench: cannot write %s\n", path.c_str());
  return false;
}

void print_findings(const BenchRun& bench) {
  if (bench.findings.empty()) return;
  TextTable table({"what", "measured", "target", ""});
  for (const Finding& one : bench.findings)
    table.add({one.what, one.measured, one.target,
               one.target.empty() ? ""
               : one.reached      ? "yes"
                                  : "NO"});
  bench.print(table.text());
  for (const Finding& one : bench.findings)
    if (!one.detail.empty()) bench.print_indented(one.what + ": " + one.detail);
}

void print_notes(const BenchRun& bench, const OthersReading& company) {
  for (const std::string& note : bench.notes()) bench.print_indented("(" + note + ")");
  if (const auto others = company.share(); others && *others > 0.1)
    bench.print_indented("(other programs used " + in_percent(*others) +
                         " of this machine meanwhile; repeat it alone)");
  for (const std::string& failure : bench.results.failures())
    bench.print_indented("FAILED: " + failure);
}

// False: something that all models need has failed, so that there is no verdict. What has been
// measured until then is kept.
bool run_and_report(const BenchExperiment& experiment, BenchRun& bench) {
  std::string problem;
  try {
    experiment.run(bench);
  } catch (const std::exception& failure) {
    problem = failure.what();
  }
  throw_if_interrupted();
  say_progress("");
  bench.note_saturation();
  if (!problem.empty()) {
    bench.verdict_impossible(problem);
    return false;
  }
  try {
    experiment.report(bench);
  } catch (const NoNumber& missing) {
    bench.verdict_impossible(std::string(missing.what()) +
                             ": a server has failed, or this system does not tell.");
  }
  return true;
}

struct Score {
  std::size_t targets = 0;
  std::size_t missed = 0;
  bool all_well = true;
};

void run_one(const BenchSettings& settings, const BenchExperiment& experiment, Score& score) {
  const auto start = std::chrono::steady_clock::now();
  BenchRun bench(settings, experiment);
  std::printf("\n== %s ==  (about %.0f s)\n%s", experiment.name.c_str(), bench.budget(),
              folded(experiment.claim).c_str());
  std::fflush(stdout);
  const OthersReading company;
  const bool reported = run_and_report(experiment, bench);
  if (settings.keeps) refuse_company(company);
  print_findings(bench);
  print_notes(bench, company);
  const bool written = write_csv(settings, experiment, bench, company);
  std::printf("  (%.0f s)\n",
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  std::fflush(stdout);
  for (const Finding& one : bench.findings) {
    score.targets += one.target.empty() ? 0 : 1;
    score.missed += one.reached ? 0 : 1;
  }
  score.all_well = reported && written && bench.results.failures().empty() && score.all_well;
}

int run(const char* name, const char* about, const Experiments& all, int argc, char** argv) {
  BenchSettings settings;
  settings.directory = directory_of(argv[0]);
  const Experiments chosen =
      chosen_of(all, read_command_line(argc, argv, usage_of(name, about, all),
                                       {text("-d", settings.directory), text("-o", settings.output),
                                        flag("-k", settings.keeps), flag("-q", settings.quick)}));
  note_interruptions();
  raise_descriptor_limit();
  if (settings.keeps) refuse_company();
  double budget = 0;
  for (const BenchExperiment& experiment : chosen)
    budget += settings.quick ? experiment.seconds.quick : experiment.seconds.whole;
  std::printf(
      "%sAbout %.1f minutes on a quiet machine. The servers take turns, and numbers are\n"
      "medians%s%s\n",
      machine_header().c_str(), budget / 60,
      settings.output.empty() ? "." : "; least and most are in ",
      settings.output.empty() ? "" : (settings.output + "/*.csv").c_str());
  Score score;
  for (const BenchExperiment& experiment : chosen) run_one(settings, experiment, score);
  if (score.targets > 0)
    std::printf("\n%zu of %zu targets reached\n", score.targets - score.missed, score.targets);
  return score.all_well ? 0 : 1;
}

}  // namespace

int run_experiments(const char* name, const char* about, const Experiments& all, int argc,
                    char** argv) {
  return run_tool(name, [&] { return run(name, about, all, argc, argv); });
}
