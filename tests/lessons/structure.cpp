#include "tests/lessons/structure.hpp"

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

namespace {

namespace files = std::filesystem;

// -- a lesson --

std::size_t count_starting(const Document& document, const Lesson& lesson,
                           const std::string& beginning) {
  std::size_t count = 0;
  for (std::size_t i = lesson.begin; i < lesson.end; ++i)
    count += !document.is_code[i] && document.lines[i].starts_with(beginning);
  return count;
}

std::string paragraph_at(const Document& document, std::size_t i) {
  std::string text;
  for (; i < document.lines.size() && !is_blank(document.lines[i]); ++i)
    text += document.lines[i] + " ";
  return text;
}

// Sentences end with a mark, then a gap. (Numbers and file names have no gap behind their dots.)
std::size_t count_sentences(const std::string& text) {
  static const std::regex end("[.!?][`*)\"]* ");
  return static_cast<std::size_t>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), end), std::sregex_iterator()));
}

void check_recap(const Document& document, const Lesson& lesson, Report& report) {
  for (std::size_t i = lesson.begin; i < lesson.end; ++i) {
    if (!document.lines[i].starts_with("**Recap.** ")) continue;
    const std::size_t sentences = count_sentences(paragraph_at(document, i).substr(11));
    if (sentences != 4)
      report.add(i, "a recap has four sentences, this one " + std::to_string(sentences));
    return;
  }
  report.add(lesson.begin, "there is no recap");
}

void check_recall(const Document& document, const Lesson& lesson, Report& report) {
  for (std::size_t i = lesson.begin; i < lesson.end; ++i) {
    if (document.lines[i] != "### Recall before you leave" &&
        !document.lines[i].starts_with("**Recall before you leave.**"))
      continue;
    std::size_t questions = 0;
    std::size_t answers = 0;
    for (++i; i < lesson.end && !document.lines[i].starts_with("**Recap"); ++i) {
      static const std::regex question("^[0-9]\\. .*");
      questions += std::regex_match(document.lines[i], question);
      answers += document.lines[i].starts_with("<details>");
    }
    if (questions < 6) report.add(lesson.begin, "recall needs three questions and three answers");
    if (answers == 0) report.add(lesson.begin, "the answers of recall are not folded");
    return;
  }
  report.add(lesson.begin, "there is no recall");
}

bool has_console(const Document& document, const Lesson& lesson) {
  return std::any_of(document.fences.begin(), document.fences.end(), [&](const Fence& fence) {
    return fence.language == "console" && lesson.begin <= fence.begin && fence.begin < lesson.end;
  });
}

void check_questions(const Lesson& lesson, const std::vector<Question>& questions, Report& report) {
  int number = 0;
  int closed = 0;
  for (const Question& question : questions) {
    if (question.lesson != lesson.number) continue;
    ++number;
    closed += question.kind != Question::Kind::order;
    const std::string id = std::to_string(lesson.number) + "." + std::to_string(number);
    if (question.id != id)
      report.add(question.line, "question " + question.id + " should be number " + id);
    if (question.line < lesson.begin || question.line >= lesson.end)
      report.add(question.line, "question " + question.id + " is in another lesson");
  }
  if (closed < 3) report.add(lesson.begin, "a lesson has three questions or more");
}

// -- references --

// Text without what stands in backquotes, where brackets are code.
std::string without_code(const std::string& line) {
  static const std::regex code("`[^`]*`");
  return std::regex_replace(line, code, "`");
}

bool is_web_address(const std::string& target) {
  return target.starts_with("https://") || target.starts_with("http://");
}

void check_target(const Document& document, std::size_t i, const std::string& target,
                  Report& report) {
  if (is_web_address(target)) return;
  const std::size_t hash = std::min(target.find('#'), target.size());
  const std::string file = target.substr(0, hash);
  if (!file.empty() && !files::exists(file)) return report.add(i, "there is no file " + file);
  if (!file.empty() || hash == target.size()) return;
  const std::string anchor = target.substr(hash + 1);
  if (std::find(document.anchors.begin(), document.anchors.end(), anchor) == document.anchors.end())
    report.add(i, "there is no place #" + anchor);
}

void check_links(const Document& document, Report& report) {
  static const std::regex link("\\]\\(([^) ]+)[^)]*\\)");
  static const std::regex source("(src|srcset)=\"([^\"]+)\"");
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    if (document.is_code[i]) continue;
    const std::string line = without_code(document.lines[i]);
    const std::sregex_iterator end;
    for (std::sregex_iterator match(line.begin(), line.end(), link); match != end; ++match)
      check_target(document, i, (*match)[1], report);
    for (std::sregex_iterator match(line.begin(), line.end(), source); match != end; ++match)
      check_target(document, i, (*match)[2], report);
  }
}

// Every "lessons.md#PLACE" that sources and scripts of this project name.
void check_anchors_from_code(const Document& document, Report& report) {
  static const std::regex anchor("lessons\\.md#([A-Za-z0-9_-]+)");
  const std::set<std::string> known(document.anchors.begin(), document.anchors.end());
  std::set<std::string> missing;
  for (const std::string folder : {"common", "blocking", "select_poll", "nonblocking", "tests"}) {
    for (auto i = files::recursive_directory_iterator(folder);
         i != files::recursive_directory_iterator(); ++i) {
      if (i->path().filename() == "node_modules" || i->path().filename() == "corpus") {
        i.disable_recursion_pending();
        continue;
      }
      const std::string kind = i->path().extension().string();
      if (!i->is_regular_file() || (kind != ".cpp" && kind != ".hpp" && kind != ".sh")) continue;
      if (i->path().parent_path() == "tests/lessons") continue;
      for (const std::string& line : read_lines(i->path().string()))
        for (std::sregex_iterator match(line.begin(), line.end(), anchor), end; match != end;
             ++match)
          if (!known.contains((*match)[1]))
            missing.insert(i->path().string() + " points to #" + (*match)[1].str());
    }
  }
  for (const std::string& one : missing) report.add(0, one + ", and there is no such place");
}

std::string whole_text(const Document& document) {
  std::string text;
  for (const std::string& line : document.lines) text += line + "\n";
  return text;
}

// The servers are those that the Makefile lists.
void check_servers(const std::string& text, Report& report) {
  for (const std::string& line : read_lines("Makefile")) {
    if (!line.starts_with("SERVERS ") && !line.starts_with("SERVERS=")) continue;
    std::istringstream names(line.substr(line.find('=') + 1));
    for (std::string name; names >> name;)
      if (text.find("build/" + name) == text.npos)
        report.add(0, "the server " + name + " is never run");
  }
}

void check_exercises(const std::string& text, Report& report) {
  for (const std::string model : {"blocking", "select_poll", "nonblocking"}) {
    const files::path folder = files::path(model) / "exercises";
    if (!files::is_directory(folder)) continue;
    for (const auto& entry : files::directory_iterator(folder))
      if (entry.is_directory() && text.find("`" + entry.path().string() + "`") == text.npos)
        report.add(0, "the exercise " + entry.path().string() + " is not mentioned");
  }
}

}  // namespace

void check_lessons(const Document& document, const std::vector<Question>& questions,
                   Report& report) {
  for (const Lesson& lesson : document.lessons) {
    for (const char* part : {"**Crux.** ", "**Exercise.** ", "*Altitude: surface",
                             "*Altitude: middle", "*Altitude: summit", "**Predict.** "})
      if (count_starting(document, lesson, part) == 0)
        report.add(lesson.begin, std::string("there is no '") + part + "'");
    if (!has_console(document, lesson)) report.add(lesson.begin, "there is no command to run");
    check_questions(lesson, questions, report);
    check_recall(document, lesson, report);
    check_recap(document, lesson, report);
  }
  for (std::size_t i = 0; i < document.lessons.size(); ++i)
    if (document.lessons[i].number != static_cast<int>(i))
      report.add(document.lessons[i].begin, "lessons are not numbered from 0 on");
  if (document.lessons.size() != 11) report.add(0, "there should be lessons 0 to 10");
}

void check_references(const Document& document, Report& report) {
  const std::string text = whole_text(document);
  check_links(document, report);
  check_anchors_from_code(document, report);
  check_servers(text, report);
  check_exercises(text, report);
}

std::size_t count_words(const Document& document, const Lesson& lesson) {
  static const std::regex markup("<!--.*?-->|<[^>]*>|\\]\\([^)]*\\)");
  std::size_t count = 0;
  for (std::size_t i = lesson.begin; i < lesson.end; ++i) {
    if (document.is_code[i]) continue;
    std::istringstream words(std::regex_replace(document.lines[i], markup, " "));
    for (std::string word; words >> word;)
      count += std::any_of(word.begin(), word.end(),
                           [](char c) { return std::isalnum(static_cast<unsigned char>(c)); });
  }
  return count;
}
