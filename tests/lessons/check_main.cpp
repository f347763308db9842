// check_lessons — is everything in lessons.md true?
#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "tests/lessons/console.hpp"
#include "tests/lessons/document.hpp"
#include "tests/lessons/generated.hpp"
#include "tests/lessons/quiz.hpp"
#include "tests/lessons/structure.hpp"

namespace {

constexpr const char* usage =
    "usage: check_lessons [-f FILE] [-l LESSON] [-n] [-r] [-o] [-w]\n"
    "Run it in the project's root, after make. Prints what is wrong; exit status 1 if\n"
    "anything is.\n"
    "  -f FILE    the text (lessons.md)\n"
    "  -l LESSON  commands of this lesson only\n"
    "  -n         no commands\n"
    "  -r         refresh excerpts, numbers and the table of exercises, in place\n"
    "  -o         refresh what the commands print instead, in place\n"
    "  -w         the words of each lesson\n";

struct Settings {
  std::string path = "lessons.md";
  int lesson = -1;
  bool runs_commands = true;
  char task = 'c';
};

Settings read_settings(int argc, char** argv) {
  Settings settings;
  int letter;
  while ((letter = getopt(argc, argv, "f:l:nrowh")) != -1) {
    switch (letter) {
      case 'f':
        settings.path = optarg;
        break;
      case 'l':
        settings.lesson = std::atoi(optarg);
        break;
      case 'n':
        settings.runs_commands = false;
        break;
      case 'r':
      case 'o':
      case 'w':
        settings.task = static_cast<char>(letter);
        break;
      default:
        std::fputs(usage, letter == 'h' ? stdout : stderr);
        std::exit(letter == 'h' ? 0 : 2);
    }
  }
  return settings;
}

int refresh(const Settings& settings) {
  const Document document = read_document(settings.path);
  Report report(document);
  const Lines fresh = regenerate(document, report);
  if (fresh == document.lines) {
    std::printf("%s is up to date\n", settings.path.c_str());
  } else {
    write_lines(settings.path, fresh);
    std::printf("%s is refreshed\n", settings.path.c_str());
  }
  return report.count() == 0 ? 0 : 1;
}

int refresh_outputs(const Settings& settings) {
  const Document document = read_document(settings.path);
  Report report(document);
  std::vector<ConsoleOutput> outputs;
  run_consoles(document, settings.lesson, report, &outputs);
  Lines fresh;
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    fresh.push_back(document.lines[i]);
    for (const ConsoleOutput& output : outputs) {
      if (output.fence_begin != i) continue;
      fresh.insert(fresh.end(), output.lines.begin(), output.lines.end());
      while (document.lines[i + 1] != "```") ++i;
    }
  }
  write_lines(settings.path, fresh);
  return report.count() == 0 ? 0 : 1;
}

int print_words(const Settings& settings) {
  const Document document = read_document(settings.path);
  Words sum;
  std::printf("%-38s %6s  %9s  %6s\n", "", "text", "questions", "folded");
  for (const Lesson& lesson : document.lessons) {
    const Words words = count_words(document, lesson);
    std::printf("%2d. %-34s %6zu  %9zu  %6zu\n", lesson.number, lesson.title.c_str(), words.text,
                words.questions, words.folded);
    sum.text += words.text;
    sum.questions += words.questions;
    sum.folded += words.folded;
  }
  std::printf("%-38s %6zu  %9zu  %6zu\n", "together", sum.text, sum.questions, sum.folded);
  return 0;
}

int check(const Settings& settings) {
  const Document document = read_document(settings.path);
  Report report(document);
  const std::vector<Question> questions = read_questions(document, report);
  check_lessons(document, questions, report);
  check_references(document, report);
  report_differences(document, regenerate(document, report), report);
  const Document readme = read_document("README.md");
  Report readme_report(readme);
  check_pasting(readme, readme_report);
  if (settings.runs_commands) run_consoles(document, settings.lesson, report, nullptr);
  const std::size_t problems = report.count() + readme_report.count();
  std::printf("%s: %zu lessons, %zu blocks, %zu questions, %zu problems\n", settings.path.c_str(),
              document.lessons.size(), document.fences.size(), questions.size(), problems);
  return problems == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  const Settings settings = read_settings(argc, argv);
  if (settings.task == 'r') return refresh(settings);
  if (settings.task == 'o') return refresh_outputs(settings);
  if (settings.task == 'w') return print_words(settings);
  return check(settings);
} catch (const std::exception& problem) {
  std::fprintf(stderr, "check_lessons: %s\n", problem.what());
  return 2;
}
