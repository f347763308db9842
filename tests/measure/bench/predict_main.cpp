// predict — five questions, your guesses, and then what this machine says. Guess first: what one
// has guessed wrong, one remembers.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "common/signals.hpp"
#include "tests/measure/bench/bench.hpp"
#include "tests/measure/bench/wakeup_cost.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/tool.hpp"

namespace {

constexpr const char* usage =
    "usage: predict [-d DIRECTORY]\n"
    "Five questions, and what this machine says.\n"
    "  -d DIRECTORY  where our programs are (beside this one)\n";

struct Question {
  const BenchExperiment* experiment;
  std::string text;
  std::string unit;
  std::optional<double> (*answer)(const Results&);
  std::optional<double> guess = std::nullopt;
};

std::optional<double> growth(const Results& results, const std::string& call) {
  const auto few = results.find(call, 5, "ns_one_ready");
  const auto many = results.find(call, 5'000, "ns_one_ready");
  if (!few || !many) return std::nullopt;
  return *many / *few;
}

std::vector<Question> questions() {
  return {
      {&wakeup_experiment,
       "How many times as long does one call of poll take with 5,000 clients watched as with 5? "
       "(It finds one of them ready, and does not sleep.)",
       "times", [](const Results& results) { return growth(results, "poll"); }},
      {&wakeup_experiment,
       "And one call of " + name_of(being_told()) + ", with 5,000 instead of 5?", "times",
       [](const Results& results) { return growth(results, name_of(being_told())); }},
      {&waiting_experiment,
       "A row comes from a backend that takes 20 ms. Of the time until it is answered, how many "
       "percent does the server do nothing but wait?",
       "%",
       [](const Results& results) {
         auto share = results.find("event_loop", 20, "waiting_of_row");
         if (share) *share *= 100;
         return share;
       }},
      {&threads_experiment,
       "10,000 silent clients, a thread for each, 8 MiB of stack for each thread. How many MiB of "
       "memory does the process really use?",
       "MiB",
       [](const Results& results) -> std::optional<double> {
         const auto bytes = results.find("thread_per_connection", 10'000, "resident_bytes");
         if (!bytes) return std::nullopt;
         return *bytes / (1024 * 1024);
       }},
      {&cpu_experiment,
       "1,000 requests a second go to an event loop. Once a second one client's request computes "
       "for 100 ms. Within how many ms are 99% of the others answered?",
       "ms", [](const Results& results) { return results.find("event_loop", 100, "p99_ms"); }}};
}

// A number on a line, with its unit or without; nothing for anything else, or when the input has
// ended.
std::optional<double> read_guess(const std::string& unit) {
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  std::erase_if(line, [](char c) { return c == ',' || c == ' '; });  // "1,000" is a thousand
  char* end = nullptr;
  const double value = std::strtod(line.c_str(), &end);
  if (end == line.c_str() || !(value >= 0)) return std::nullopt;
  if (*end != '\0' && unit != end) return std::nullopt;
  return value;
}

void ask(std::vector<Question>& all) {
  std::printf("Five questions. A number each, or an empty line if you would rather not say.\n");
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::printf("\n%s  your guess, in %s: ",
                wrapped(std::to_string(i + 1) + ". " + all[i].text, screen_width, "").c_str(),
                all[i].unit.c_str());
    std::fflush(stdout);
    all[i].guess = read_guess(all[i].unit);
    if (isatty(STDIN_FILENO) == 1) continue;
    std::printf("%s\n", all[i].guess ? with_digits(*all[i].guess, 1).c_str() : "(none)");
  }
}

std::string in_unit(double value, const std::string& unit) {
  return with_digits(value, value < 100 ? 1 : 0) + " " + unit;
}

std::string distance(const Question& question, double answer) {
  if (!question.guess) return "";
  const double guess = *question.guess;
  if (guess <= 0 || answer <= 0) return "";
  const double factor = guess > answer ? guess / answer : answer / guess;
  if (factor < 1.2) return "well guessed";
  return times(factor) + (guess > answer ? " too high" : " too low");
}

// An experiment, once and quickly. What ends it early goes to `problems`.
Results measure(const BenchExperiment& experiment, const std::string& directory,
                std::vector<std::string>& problems) {
  BenchSettings settings;
  settings.directory = directory;
  settings.quick = true;
  settings.repeats_wished = &experiment == &wakeup_experiment ? 3 : 1;
  Bench bench(settings, experiment);
  try {
    experiment.run(bench);
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& failure) {
    problems.push_back(experiment.name + ": " + failure.what());
  }
  if (stop_requested()) throw Interrupted();
  bench.progress("");
  for (const std::string& failure : bench.results.failures())
    problems.push_back(experiment.name + ": " + failure);
  return bench.results;
}

void print_answers(const std::vector<Question>& all,
                   const std::map<const BenchExperiment*, Results>& found) {
  TextTable table({"question", "you said", "this machine says", ""});
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto value = all[i].answer(found.at(all[i].experiment));
    table.add({std::to_string(i + 1), all[i].guess ? in_unit(*all[i].guess, all[i].unit) : "-",
               value ? in_unit(*value, all[i].unit) : "cannot tell",
               value ? distance(all[i], *value) : ""});
  }
  std::printf("\n\n%s", table.text().c_str());
}

// An experiment that answers two questions is run only once. False: something failed.
bool answer(const std::vector<Question>& all, const std::string& directory) {
  std::map<const BenchExperiment*, Results> found;
  std::vector<std::string> problems;
  std::printf("\nNow measuring (about half a minute)");
  std::fflush(stdout);
  for (const Question& question : all) {
    if (found.count(question.experiment) > 0) continue;
    found.emplace(question.experiment, measure(*question.experiment, directory, problems));
    std::printf(".");
    std::fflush(stdout);
  }
  print_answers(all, found);
  for (const std::string& problem : problems)
    std::fputs(wrapped("FAILED: " + problem, screen_width, "  ").c_str(), stdout);
  std::printf("\nWhy: make bench EXPERIMENT=wakeup, waiting, threads, cpu shows each in full.\n");
  return problems.empty();
}

int run(int argc, char** argv) {
  const std::string directory = read_directory(argc, argv, usage);
  std::vector<Question> all = questions();
  ask(all);
  install_signal_handlers();
  raise_descriptor_limit();
  return answer(all, directory) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return run_tool("predict", argc, argv, run);
}
