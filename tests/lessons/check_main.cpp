// check_lessons — is everything in lessons.md true?
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include "tests/kit/command_line.hpp"
#include "tests/lessons/console.hpp"
#include "tests/lessons/document.hpp"
#include "tests/lessons/generated.hpp"
#include "tests/lessons/quiz.hpp"
#include "tests/lessons/references.hpp"

namespace {

constexpr const char* usage =
    "usage: check_lessons [-f FILE] [-l LESSON] [-d DESCRIPTORS] [-n] [-r]\n"
    "Run it in the project's root, after make. Prints what is wrong; exit status 1 if\n"
    "anything is.\n"
    "  -f FILE         the text (lessons.md)\n"
    "  -l LESSON       commands of this lesson only\n"
    "  -d DESCRIPTORS  the soft limit that they run under (1024, as most logins have\n"
    "                  it; 0: the one that is here)\n"
    "  -n              no commands\n"
    "  -r              refresh excerpts, numbers, the table of exercises, in place, and\n"
    "                  their briefs\n";

struct Settings {
  std::string path = "lessons.md";
  int lesson = -1;
  unsigned descriptors = 1024;
  bool runs_commands = true;
  bool refreshes = false;
};

Settings read_settings(int argc, char** argv) {
  Settings settings;
  bool is_text_only = false;
  const auto others =
      read_command_line(argc, argv, usage,
                        {text("-f", settings.path), number("-l", settings.lesson, 0, 99),
                         number("-d", settings.descriptors, 0, 1e6), flag("-n", is_text_only),
                         flag("-r", settings.refreshes)});
  if (!others.empty()) refuse_usage("what does '" + others[0] + "' mean?");
  settings.runs_commands = !is_text_only;
  return settings;
}

int refresh(const Settings& settings) {
  const Document document = read_document(settings.path);
  Report report(document);
  const Lines fresh = regenerate(document, report);
  const bool is_fresh = fresh == document.lines;
  if (!is_fresh) write_lines(settings.path, fresh);
  write_briefs(read_document(settings.path));
  std::printf("%s is %s\n", settings.path.c_str(), is_fresh ? "up to date" : "refreshed");
  return report.count() == 0 ? 0 : 1;
}

std::size_t check_other_pages() {
  std::size_t problems = 0;
  for (const std::filesystem::path path :
       {"README.md", "SECURITY.md", "CONTRIBUTING.md", "tests/README.md", "book/README.md"}) {
    if (!std::filesystem::exists(path)) continue;  // a handout is for students
    const Document page = read_document(path.string());
    Report report(page);
    check_page(page, path.parent_path().string(), report);
    problems += report.count();
  }
  return problems;
}

int check(const Settings& settings) {
  const Document document = read_document(settings.path);
  Report report(document);
  const std::vector<Question> questions = read_questions(document, report);
  check_evenness(questions, report);
  check_references(document, report);
  check_briefs(document, report);
  report_differences(document, regenerate(document, report), report);
  std::size_t problems = check_other_pages();
  if (settings.runs_commands) run_consoles(document, settings.lesson, settings.descriptors, report);
  problems += report.count();
  std::printf("%s: %zu lessons, %zu blocks, %zu questions, %zu problems\n", settings.path.c_str(),
              document.lessons.size(), document.fences.size(), questions.size(), problems);
  return problems == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  const Settings settings = read_settings(argc, argv);
  return settings.refreshes ? refresh(settings) : check(settings);
} catch (const std::exception& problem) {
  std::fprintf(stderr, "check_lessons: %s\n", problem.what());
  return 2;
}
