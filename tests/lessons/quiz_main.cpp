// quiz — the questions of lessons.md in the terminal, or an answers file graded.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <string>

#include "tests/kit/command_line.hpp"
#include "tests/lessons/document.hpp"
#include "tests/lessons/quiz.hpp"
#include "tests/measure/text_table.hpp"

namespace {

constexpr const char* usage =
    "usage: quiz [-l LESSON] [-s SEED] [-a ANSWERS | -b]\n"
    "Asks the questions of lessons.md, says why an answer is right or wrong, and\n"
    "keeps the score.\n"
    "  -l LESSON   the questions of this lesson only\n"
    "  -a ANSWERS  grades a file instead of asking; - is standard input. A line is\n"
    "              the number of a question and its answer: '3.1 B', '3.2 true',\n"
    "              '3.4 C A B'; # begins a comment\n"
    "  -b          prints such a file with the questions and no answers\n"
    "  -s SEED     another order of the choices, so that the key is not the one of the\n"
    "              text: for -b and -a the same number (or QUIZ_SEED=SEED before the\n"
    "              command, which the grader passes on)\n"
    "Exit status: 0, or 2 if the text or the answers cannot be read.\n";

struct Settings {
  std::string answers;
  int lesson = -1;
  unsigned seed = 0;  // 0: the order of the text
  bool blank = false;
};

Settings read_settings(int argc, char** argv) {
  Settings settings;
  if (const char* const seed = std::getenv("QUIZ_SEED"))
    settings.seed = static_cast<unsigned>(std::strtoul(seed, nullptr, 10));
  const auto others = read_command_line(
      argc, argv, usage,
      {number("-l", settings.lesson, 0, 99), number("-s", settings.seed, 0, 999'999'999),
       text("-a", settings.answers), flag("-b", settings.blank)});
  if (!others.empty()) refuse_usage("what does '" + others[0] + "' mean?");
  return settings;
}

void print_wrapped(const std::string& text, const std::string& first, const std::string& indent) {
  std::fputs(folded(text, indent, first).c_str(), stdout);
}

// "A, B or C", "true or false", "A to E in order".
std::string how_to_answer(const Question& question) {
  const std::vector<Choice>& choices = question.choices;
  if (question.kind == Question::Kind::true_or_false) return "true or false";
  if (question.kind == Question::Kind::order)
    return choices.front().name + " to " + choices.back().name + " in order";
  std::string list = choices.front().name;
  for (std::size_t i = 1; i < choices.size(); ++i)
    list += (i + 1 < choices.size() ? ", " : " or ") + choices[i].name;
  return list;
}

void print_question(const Question& question) {
  std::printf("\n");
  print_wrapped(question.text, question.id + "  ", "     ");
  for (const std::string& line : question.code) std::printf("       | %s\n", line.c_str());
  if (question.kind == Question::Kind::true_or_false) return;
  for (const Choice& choice : question.choices)
    print_wrapped(choice.text, "     " + choice.name + "  ", "        ");
}

class Score {
 public:
  explicit Score(const Document& document) : document_(document) {}

  void add(const Question& question, bool right) {
    ++asked_;
    right_ += right;
    if (!right) missed_[question.lesson] += " " + question.id;
  }

  // `questions`: how many there are, answered or not.
  void print(std::size_t questions) const {
    std::printf("\n%d of %d right\n", right_, asked_);
    if (questions > static_cast<std::size_t>(asked_))
      std::printf("%zu not answered\n", questions - static_cast<std::size_t>(asked_));
    for (const auto& [number, ids] : missed_)
      for (const Lesson& lesson : document_.lessons)
        if (lesson.number == number)
          std::printf("reread lesson %d, \"%s\" (%s#%s): missed%s\n", number, lesson.title.c_str(),
                      document_.path.c_str(), lesson.anchor.c_str(), ids.c_str());
  }

 private:
  const Document& document_;
  int asked_ = 0;
  int right_ = 0;
  std::map<int, std::string> missed_;  // by lesson
};

// Is it one of the choices, or all of them in some order?
bool is_understood(const Question& question, const std::string& answer) {
  return question.kind == Question::Kind::order ? orders_all(question, answer)
                                                : !why(question, answer).empty();
}

void print_verdict(const Question& question, const std::string& answer) {
  const bool right = is_right(question, answer);
  const std::string reason = is_understood(question, answer)
                                 ? why(question, answer)
                                 : "The answer would be " + how_to_answer(question) + ".";
  print_wrapped(reason, right ? "     Right. " : "     No. ", "     ");
  if (right || question.kind == Question::Kind::order) {
    if (!right) std::printf("     It is %s.\n", right_answer(question).c_str());
    return;
  }
  print_wrapped(why(question, right_answer(question)),
                "     It is " + right_answer(question) + ". ", "     ");
}

// False at the end of the input. On a terminal, where somebody can, an answer that is none is asked
// for again.
bool read_answer(const Question& question, std::string& answer) {
  for (;;) {
    std::printf("     your answer (%s): ", how_to_answer(question).c_str());
    std::fflush(stdout);
    if (!std::getline(std::cin, answer)) return false;
    if (isatty(STDIN_FILENO) == 1 && !is_understood(question, answer)) continue;
    if (isatty(STDIN_FILENO) != 1) std::printf("%s\n", answer.c_str());
    return true;
  }
}

void ask_all(const std::vector<Question>& questions, Score& score) {
  if (isatty(STDIN_FILENO) == 1)
    std::printf("%zu questions; Ctrl-D ends it early.\n", questions.size());
  for (const Question& question : questions) {
    print_question(question);
    std::string answer;
    if (!read_answer(question, answer)) return;
    print_verdict(question, answer);
    score.add(question, is_right(question, answer));
  }
}

std::map<std::string, std::string> read_answers(const std::string& path) {
  Lines lines;
  if (path == "-")
    for (std::string line; std::getline(std::cin, line);) lines.push_back(line);
  else
    lines = read_lines(path);
  std::map<std::string, std::string> answers;
  for (const std::string& line : lines) {
    const std::string text = trimmed(line.substr(0, line.find('#')));
    // "3.1 B", and what people write instead: "3.1: B", "3.1) B", "3.1. B"
    const std::size_t gap = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::size_t id_end = text.find_last_not_of('.', gap == 0 ? 0 : gap - 1) + 1;
    if (gap > 0) answers[text.substr(0, id_end)] = trimmed(std::string_view(text).substr(gap));
  }
  return answers;
}

void grade(const std::vector<Question>& questions, const std::string& path, Score& score) {
  std::map<std::string, std::string> answers = read_answers(path);
  for (const Question& question : questions) {
    const auto answer = answers.find(question.id);
    const bool answered = answer != answers.end() && !answer->second.empty();
    const bool right = answered && is_right(question, answer->second);
    std::printf("%-5s %s\n", question.id.c_str(), right ? "right" : answered ? "wrong" : "missing");
    score.add(question, right);
    if (answer != answers.end()) answers.erase(answer);
  }
  for (const auto& [id, answer] : answers)
    std::fprintf(stderr, "quiz: there is no question %s here\n", id.c_str());
}

void print_blank(const std::vector<Question>& questions) {
  for (const Question& question : questions) {
    print_wrapped(question.text, "# ", "#   ");
    for (const std::string& line : question.code) std::printf("#   | %s\n", line.c_str());
    for (const Choice& choice : question.choices)
      if (question.kind != Question::Kind::true_or_false)
        print_wrapped(choice.text, "#   " + choice.name + "  ", "#      ");
    std::printf("# (%s)\n%s \n\n", how_to_answer(question).c_str(), question.id.c_str());
  }
}

int run(const Settings& settings) {
  const Document document = read_document("lessons.md");
  Report report(document);
  std::vector<Question> questions = read_questions(document, report);
  if (settings.lesson >= 0)
    std::erase_if(questions,
                  [&](const Question& question) { return question.lesson != settings.lesson; });
  if (report.count() > 0 || questions.empty()) refuse_usage("there are no questions to ask");
  if (settings.seed != 0) reorder(questions, settings.seed);
  if (settings.blank) {
    print_blank(questions);
    return 0;
  }
  Score score(document);
  if (settings.answers.empty())
    ask_all(questions, score);
  else
    grade(questions, settings.answers, score);
  score.print(questions.size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  return run(read_settings(argc, argv));
} catch (const std::exception& problem) {
  std::fprintf(stderr, "quiz: %s\n", problem.what());
  return 2;
}
