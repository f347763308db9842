#include <getopt.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "common/signals.hpp"
#include "tests/kit/reading.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/tool.hpp"

namespace {

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  utsname system{};
  return uname(&system) == 0 ? system.machine : "unknown processor";
}

std::string memory() {
#ifdef _SC_PHYS_PAGES
  const long pages = sysconf(_SC_PHYS_PAGES);
  if (pages > 0)
    return in_bytes(static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)));
#endif
  return "unknown memory";
}

std::string kernel() {
  utsname system{};
  if (uname(&system) < 0) return "unknown";
  return std::string(system.sysname) + " " + system.release + " " + system.machine;
}

std::string compiler() {
#ifdef __clang__
  return std::string("clang ") + __clang_version__;
#else
  return std::string("g++ ") + __VERSION__;
#endif
}

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  char room[64];
  const std::size_t size =
      std::strftime(room, sizeof room, "%Y-%m-%d %H:%M UTC", std::gmtime(&seconds));
  return {room, size};
}

std::string stack_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return "unlimited";
  return in_bytes(static_cast<double>(limit.rlim_cur));
}

// Lines that begin with "# ": machine, kernel, compiler, date, limits.
std::string machine_header() {
  return "# machine: " + processor() + ", " + std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) +
         " CPUs, " + memory() + "\n# kernel: " + kernel() + "\n# compiler: " + compiler() +
         "\n# date: " + now() + "\n# limits: " + with_commas(raise_descriptor_limit()) +
         " descriptors for a process, default stack " + stack_limit() + "\n";
}

void print_usage(FILE* where, const char* name, const char* about, const Experiments& all) {
  std::fprintf(where,
               "usage: %s [-d DIRECTORY] [-o DIRECTORY] [-q] [EXPERIMENT...]\n%s\n"
               "  -d DIRECTORY  where the programs are (beside this one)\n"
               "  -o DIRECTORY  where to put a CSV file for each experiment (no files)\n"
               "  -q            quick: fewer repeats, and shorter ones\n",
               name, about);
  for (const BenchExperiment* experiment : all) {
    std::string lines = wrapped(experiment->claim, screen_width, std::string(15, ' '));
    lines.replace(2, experiment->name.size(), experiment->name);
    std::fputs(lines.c_str(), where);
  }
}

// Those that are named, or all.
Experiments wanted(const char* name, const Experiments& all, int argc, char** argv) {
  Experiments found;
  for (int i = optind; i < argc; ++i) {
    const auto one = std::find_if(all.begin(), all.end(), [&](const BenchExperiment* experiment) {
      return experiment->name == argv[i];
    });
    if (one == all.end()) {
      std::fprintf(stderr, "%s: there is no experiment '%s' (-h lists them)\n", name, argv[i]);
      std::exit(2);
    }
    found.push_back(*one);
  }
  return found.empty() ? all : found;
}

bool write_csv(const BenchSettings& settings, const BenchExperiment& experiment,
               const BenchRun& bench, std::optional<double> others) {
  if (settings.output.empty()) return true;
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

void print_findings(const std::vector<Finding>& findings) {
  if (findings.empty()) return;
  TextTable table({"what", "measured", "target", ""});
  for (const Finding& one : findings)
    table.add({one.what, one.measured, one.target,
               one.target.empty() ? ""
               : one.reached      ? "yes"
                                  : "NO"});
  std::fputs(table.text().c_str(), stdout);
  for (const Finding& one : findings)
    if (!one.detail.empty())
      std::fputs(wrapped(one.what + ": " + one.detail, screen_width, "  ").c_str(), stdout);
}

void print_notes(const BenchRun& bench, std::optional<double> others) {
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
bool run_and_report(const BenchExperiment& experiment, BenchRun& bench) {
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

struct Score {
  std::size_t targets = 0;
  std::size_t missed = 0;
  bool all_well = true;
};

void run_one(const BenchSettings& settings, const BenchExperiment& experiment, Score& score) {
  const auto start = std::chrono::steady_clock::now();
  BenchRun bench(settings, experiment);
  std::printf("\n== %s ==  (about %.0f s)\n%s", experiment.name.c_str(), bench.budget(),
              wrapped(experiment.claim, screen_width, "").c_str());
  std::fflush(stdout);
  const OthersReading others;
  const bool reported = run_and_report(experiment, bench);
  const auto others_share = others.share();
  print_findings(bench.findings);
  print_notes(bench, others_share);
  const bool written = write_csv(settings, experiment, bench, others_share);
  std::printf("  (%.0f s)\n",
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  std::fflush(stdout);
  for (const Finding& one : bench.findings) {
    score.targets += one.target.empty() ? 0 : 1;
    score.missed += one.reached ? 0 : 1;
  }
  score.all_well = reported && written && bench.results.failures().empty() && score.all_well;
}

}  // namespace

int run_experiments(const char* name, const char* about, const Experiments& all, int argc,
                    char** argv) {
  BenchSettings settings;
  settings.directory = directory_of(argv[0]);
  for (int letter; (letter = getopt(argc, argv, "d:o:qh")) != -1;) {
    if (letter == 'd') {
      settings.directory = optarg;
    } else if (letter == 'o') {
      settings.output = optarg;
    } else if (letter == 'q') {
      settings.quick = true;
    } else {
      print_usage(letter == 'h' ? stdout : stderr, name, about, all);
      return letter == 'h' ? 0 : 2;
    }
  }
  const Experiments chosen = wanted(name, all, argc, argv);
  install_signal_handlers();
  raise_descriptor_limit();
  double budget = 0;
  for (const BenchExperiment* experiment : chosen)
    budget += BenchRun(settings, *experiment).budget();
  std::printf(
      "%sAbout %.1f minutes on a quiet machine. The servers take turns, and numbers are\n"
      "medians%s%s\n",
      machine_header().c_str(), budget / 60,
      settings.output.empty() ? "." : "; least and most are in ",
      settings.output.empty() ? "" : (settings.output + "/*.csv").c_str());
  Score score;
  for (const BenchExperiment* experiment : chosen) run_one(settings, *experiment, score);
  if (score.targets > 0)
    std::printf("\n%zu of %zu targets reached\n", score.targets - score.missed, score.targets);
  return score.all_well ? 0 : 1;
}
