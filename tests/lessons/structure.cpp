#include "tests/lessons/structure.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>

namespace {

// -- a lesson's parts --

bool is_in(const Lesson& lesson, std::size_t line) {
  return lesson.begin <= line && line < lesson.end;
}

std::size_t count_starting(const Document& document, const Lesson& lesson,
                           const std::string& beginning) {
  std::size_t count = 0;
  for (std::size_t i = lesson.begin; i < lesson.end; ++i)
    count += !document.is_code[i] && document.lines[i].starts_with(beginning);
  return count;
}

// The first fence of one of these languages from `begin` on; nullptr if there is none before `end`.
const Fence* find_fence(const Document& document, std::size_t begin, std::size_t end,
                        std::initializer_list<const char*> languages) {
  for (const Fence& fence : document.fences)
    if (fence.begin >= begin && fence.begin < end &&
        std::find(languages.begin(), languages.end(), fence.language) != languages.end())
      return &fence;
  return nullptr;
}

std::string paragraph_at(const Document& document, std::size_t i) {
  std::string text;
  for (; i < document.lines.size() && !is_blank(document.lines[i]); ++i)
    text += document.lines[i] + " ";
  return text;
}

// Sentences end with a mark, then a gap. (Numbers and file names have no gap behind their dots.)
std::vector<std::string> sentences_of(const std::string& text) {
  static const std::regex end("[.!?:][`*)\"]* ");
  return {std::sregex_token_iterator(text.begin(), text.end(), end, -1), {}};
}

void check_recap(const Document& document, const Lesson& lesson, Report& report) {
  for (std::size_t i = lesson.begin; i < lesson.end; ++i) {
    if (!document.lines[i].starts_with("**Recap.** ")) continue;
    const std::size_t sentences = sentences_of(paragraph_at(document, i).substr(11)).size();
    if (sentences != 4)
      report.add(i, "a recap has four sentences, this one " + std::to_string(sentences));
    return;
  }
  report.add(lesson.begin, "there is no recap");
}

void check_recall(const Document& document, const Lesson& lesson, Report& report) {
  for (std::size_t i = lesson.begin; i < lesson.end; ++i) {
    if (!document.lines[i].starts_with("**Recall before you leave.**")) continue;
    std::size_t questions = 0;
    std::size_t answers = 0;
    bool is_folded = false;
    for (++i; i < lesson.end && !document.lines[i].starts_with("**Exercise"); ++i) {
      static const std::regex item("^[0-9]\\. .*");
      if (document.lines[i] == "<details><summary>Model answers</summary>") is_folded = true;
      if (document.lines[i] == "</details>") is_folded = false;
      (is_folded ? answers : questions) += std::regex_match(document.lines[i], item);
    }
    if (questions != 3 || answers != 3)
      report.add(lesson.begin, "recall has three questions and three folded answers, not " +
                                   std::to_string(questions) + " and " + std::to_string(answers));
    return;
  }
  report.add(lesson.begin, "there is no recall");
}

// A guess is worth making if the next thing to be seen is a command that settles it.
void check_predictions(const Document& document, const Lesson& lesson, Report& report) {
  for (std::size_t i = lesson.begin; i < lesson.end; ++i) {
    if (!document.lines[i].starts_with("**Predict.** ")) continue;
    const Fence* next =
        find_fence(document, i, lesson.end, {"console", "cpp", "text", "mermaid", "make"});
    if (next == nullptr || next->language != "console")
      report.add(i, "what is to be predicted is not answered by the next command");
  }
}

void check_pictures(const Document& document, const Lesson& lesson, Report& report) {
  if (find_fence(document, lesson.begin, lesson.end, {"text", "mermaid"}) == nullptr &&
      count_starting(document, lesson, "![") == 0)
    report.add(lesson.begin, "there is no picture");
}

void check_questions(const Document& document, const Lesson& lesson,
                     const std::vector<Question>& questions, Report& report) {
  int number = 0;
  int closed = 0;
  for (const Question& question : questions) {
    if (question.lesson != lesson.number) continue;
    ++number;
    closed += question.kind != Question::Kind::order;
    const std::string id = std::to_string(lesson.number) + "." + std::to_string(number);
    if (question.id != id)
      report.add(question.line, "question " + question.id + " should be number " + id);
    if (!is_in(lesson, question.line))
      report.add(question.line, "question " + question.id + " is in another lesson");
  }
  if (closed < 3) report.add(lesson.begin, "a lesson has three questions or more");
  if (number == closed && count_starting(document, lesson, "<!-- no order: ") == 0)
    report.add(lesson.begin,
               "no steps to put in order; if there are none, say <!-- no order: why -->");
}

void check_lesson(const Document& document, const Lesson& lesson,
                  const std::vector<Question>& questions, Report& report) {
  for (const char* part : {"**Crux.** ", "**Exercise.** ", "*Altitude: surface*",
                           "*Altitude: middle*", "*Altitude: summit*", "**Predict.** "})
    if (count_starting(document, lesson, part) == 0)
      report.add(lesson.begin, std::string("there is no '") + part + "'");
  if (find_fence(document, lesson.begin, lesson.end, {"console"}) == nullptr)
    report.add(lesson.begin, "there is no command to run");
  check_questions(document, lesson, questions, report);
  check_predictions(document, lesson, report);
  check_recall(document, lesson, report);
  check_recap(document, lesson, report);
  if (lesson.number == 0) return;  // it is about this page, not about the code
  check_pictures(document, lesson, report);
  if (find_fence(document, lesson.begin, lesson.end, {"cpp"}) == nullptr)
    report.add(lesson.begin, "there is no excerpt of the code");
}

// -- misbeliefs --

// From the heading above a line to the next one.
Lesson section_at(const Document& document, std::size_t line) {
  Lesson section{0, "", 0, document.lines.size()};
  for (const Heading& heading : document.headings) {
    if (heading.line <= line) section.begin = heading.line;
    if (heading.line > line) section.end = std::min(section.end, heading.line);
  }
  return section;
}

// What many believe is named, and settled by a command's output or by a kept measurement.
void check_misbeliefs(const Document& document, Report& report) {
  std::map<std::string, bool> is_named{
      {"10,000 threads take 10 GB", false}, {"epoll is O(1)", false},
      {"non-blocking is faster", false},    {"await makes it parallel", false},
      {"one `recv` is one message", false}, {"`send` succeeded, so the peer has it", false},
  };
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    const std::string& line = document.lines[i];
    if (!line.starts_with("**Misbelief.** ")) continue;
    for (auto& [belief, named] : is_named) named = named || line.find(belief) != line.npos;
    const Lesson section = section_at(document, i);
    bool is_measured = find_fence(document, section.begin, section.end, {"console"}) != nullptr;
    for (std::size_t at = section.begin; at < section.end; ++at)
      is_measured = is_measured || document.lines[at].find("<!-- number: ") != line.npos;
    if (!is_measured) report.add(i, "a misbelief that no measurement settles");
  }
  for (const auto& [belief, named] : is_named)
    if (!named) report.add(0, "the misbelief '" + belief + "' is not named");
}

// -- words --

std::string without_markup(const std::string& line) {
  static const std::regex markup("<!--.*?-->|<[^>]*>|\\]\\([^)]*\\)");
  return std::regex_replace(line, markup, " ");
}

std::size_t count_words_of(const std::string& line) {
  std::istringstream words(without_markup(line));
  std::size_t count = 0;
  for (std::string word; words >> word;)
    count += std::any_of(word.begin(), word.end(),
                         [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; });
  return count;
}

bool asks(const std::string& line) {
  static const std::regex choice("^- [A-Z]\\. .*");
  return line.starts_with("**Quiz ") || line.starts_with("**Order ") ||
         std::regex_match(line, choice);
}

// "About 8,000 to 12,000 words of text."
void check_length(const Document& document, Report& report) {
  std::size_t text = 0;
  for (const Lesson& lesson : document.lessons) text += count_words(document, lesson).text;
  if (text < 8'000 || text > 12'000)
    report.add(0,
               "the lessons have " + std::to_string(text) + " words of text, not 8,000 to 12,000");
}

// None repeated: a sentence of eight words or more stands in one place only.
void check_repetition(const Document& document, Report& report) {
  std::map<std::string, std::size_t> first_place;
  for (const Lesson& lesson : document.lessons) {
    for (std::size_t i = lesson.begin; i < lesson.end; ++i) {
      if (document.is_code[i]) continue;
      for (const std::string& sentence : sentences_of(without_markup(document.lines[i]) + " ")) {
        if (count_words_of(sentence) < 8) continue;
        const auto [place, is_new] = first_place.emplace(sentence, i);
        if (!is_new)
          report.add(
              i, "line " + std::to_string(place->second + 1) + " says this already: " + sentence);
      }
    }
  }
}

}  // namespace

void check_lessons(const Document& document, const std::vector<Question>& questions,
                   Report& report) {
  for (const Lesson& lesson : document.lessons) check_lesson(document, lesson, questions, report);
  for (std::size_t i = 0; i < document.lessons.size(); ++i)
    if (document.lessons[i].number != static_cast<int>(i))
      report.add(document.lessons[i].begin, "lessons are not numbered from 0 on");
  if (document.lessons.size() != 11) report.add(0, "there should be lessons 0 to 10");
  check_misbeliefs(document, report);
  check_length(document, report);
  check_repetition(document, report);
}

Words count_words(const Document& document, const Lesson& lesson) {
  Words words;
  bool is_folded = false;
  for (std::size_t i = lesson.begin; i < lesson.end; ++i) {
    const std::string& line = document.lines[i];
    if (document.is_code[i]) continue;
    if (line.starts_with("<details>")) is_folded = true;
    const std::size_t count = count_words_of(line);
    (is_folded ? words.folded : asks(line) ? words.questions : words.text) += count;
    if (line == "</details>") is_folded = false;
  }
  return words;
}
