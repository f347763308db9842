// quiz — the questions of lessons.md in the terminal, or an answers file graded.
#include <getopt.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include "tests/lessons/document.hpp"
#include "tests/lessons/quiz.hpp"

namespace {

constexpr const char* usage =
    "usage: quiz [-l LESSON] [-f FILE] [-a ANSWERS | -b]\n"
    "Asks the questions of lessons.md, says why an answer is right or wrong, and keeps the score.\n"
    "  -l LESSON   the questions of this lesson only\n"
    "  -f FILE     the text (lessons.md)\n"
    "  -a ANSWERS  grades a file instead of asking; - is standard input. A line is the number of "
    "a\n"
    "              question and its answer: '3.1 B', '3.2 true', '3.4 C A B'; # begins a comment\n"
    "  -b          prints such a file with the questions and no answers\n"
    "Exit status: 0, or 2 if the text or the answers cannot be read.\n";

struct Settings {
  std::string text = "lessons.md";
  std::string answers;
  int lesson = -1;
  bool blank = false;
};

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "quiz: %s (-h shows the usage)\n", why.c_str());
  std::exit(2);
}

Settings read_settings(int argc, char** argv) {
  Settings settings;
  int letter;
  while ((letter = getopt(argc, argv, "l:f:a:bh")) != -1) {
    if (letter == 'l') {
      settings.lesson = std::atoi(optarg);
    } else if (letter == 'f') {
      settings.text = optarg;
    } else if (letter == 'a') {
      settings.answers = optarg;
    } else if (letter == 'b') {
      settings.blank = true;
    } else {
      std::fputs(usage, letter == 'h' ? stdout : stderr);
      std::exit(letter == 'h' ? 0 : 2);
    }
  }
  return settings;
}

// Folds at 96 columns, so that it reads well in a terminal.
void print_wrapped(const std::string& text, const std::string& first, const std::string& indent) {
  std::istringstream words(text);
  std::string line = first;
  for (std::string word; words >> word;) {
    if (line.size() + word.size() + 1 > 96 && line.size() > indent.size()) {
      std::printf("%s\n", line.c_str());
      line = indent;
    }
    line += (line.empty() || line.ends_with(' ') ? "" : " ") + word;
  }
  std::printf("%s\n", line.c_str());
}

std::string how_to_answer(const Question& question) {
  if (question.kind == Question::Kind::order) return "the letters in order";
  if (question.kind == Question::Kind::true_or_false) return "true or false";
  return "one letter";
}

void print_question(const Question& question) {
  print_wrapped(question.text, "\n" + question.id + "  ", "     ");
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
    if (!right) missed_[question.lesson].push_back(question.id);
  }

  void print() const {
    std::printf("\n%d of %d right\n", right_, asked_);
    for (const auto& [number, ids] : missed_) {
      std::string list;
      for (const std::string& id : ids) list += " " + id;
      std::printf("reread lesson %d, \"%s\" (%s): missed%s\n", number, title(number).c_str(),
                  place(number).c_str(), list.c_str());
    }
  }

 private:
  std::string title(int number) const {
    for (const Lesson& lesson : document_.lessons)
      if (lesson.number == number) return lesson.title;
    return "?";
  }

  std::string place(int number) const {
    for (const Lesson& lesson : document_.lessons)
      for (const Heading& heading : document_.headings)
        if (lesson.number == number && heading.line == lesson.begin)
          return document_.path + "#" + heading.anchor;
    return document_.path;
  }

  const Document& document_;
  int asked_ = 0;
  int right_ = 0;
  std::map<int, std::vector<std::string>> missed_;
};

void print_verdict(const Question& question, const std::string& answer) {
  const bool right = is_right(question, answer);
  print_wrapped(why(question, answer), right ? "     Right. " : "     No. ", "     ");
  if (right || question.kind == Question::Kind::order) {
    if (!right) std::printf("     It is %s.\n", right_answer(question).c_str());
    return;
  }
  print_wrapped(why(question, right_answer(question)),
                "     It is " + right_answer(question) + ". ", "     ");
}

// An answer that is none of the choices is asked for again; on a terminal only, where somebody can.
bool is_understood(const Question& question, const std::string& answer) {
  return question.kind == Question::Kind::order || !why(question, answer).empty();
}

void ask_all(const std::vector<Question>& questions, Score& score) {
  for (const Question& question : questions) {
    print_question(question);
    std::string answer;
    do {
      std::printf("     your answer (%s): ", how_to_answer(question).c_str());
      std::fflush(stdout);
      if (!std::getline(std::cin, answer)) {
        std::printf("\n");
        return;
      }
    } while (isatty(STDIN_FILENO) == 1 && !is_understood(question, answer));
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
    const std::size_t gap = text.find_first_of(" \t:");
    if (gap != text.npos)
      answers[text.substr(0, gap)] = trimmed(std::string_view(text).substr(gap + 1));
  }
  return answers;
}

void grade(const std::vector<Question>& questions, const std::string& path, Score& score) {
  std::map<std::string, std::string> answers = read_answers(path);
  for (const Question& question : questions) {
    const auto answer = answers.find(question.id);
    const bool answered = answer != answers.end();
    const bool right = answered && is_right(question, answer->second);
    std::printf("%-5s %s\n", question.id.c_str(), right ? "right" : answered ? "wrong" : "missing");
    score.add(question, right);
    if (answered) answers.erase(answer);
  }
  for (const auto& [id, answer] : answers)
    std::fprintf(stderr, "quiz: there is no question %s here\n", id.c_str());
}

void print_blank(const std::vector<Question>& questions) {
  for (const Question& question : questions) {
    print_wrapped(question.text, "# ", "#   ");
    for (const Choice& choice : question.choices)
      if (question.kind != Question::Kind::true_or_false)
        print_wrapped(choice.text, "#   " + choice.name + "  ", "#      ");
    std::printf("# (%s)\n%s \n\n", how_to_answer(question).c_str(), question.id.c_str());
  }
}

int run(const Settings& settings) {
  const Document document = read_document(settings.text);
  Report report(document);
  std::vector<Question> questions = read_questions(document, report);
  if (settings.lesson >= 0)
    std::erase_if(questions,
                  [&](const Question& question) { return question.lesson != settings.lesson; });
  if (report.count() > 0 || questions.empty()) refuse("there are no questions to ask");
  if (settings.blank) {
    print_blank(questions);
    return 0;
  }
  Score score(document);
  if (settings.answers.empty())
    ask_all(questions, score);
  else
    grade(questions, settings.answers, score);
  score.print();
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  return run(read_settings(argc, argv));
} catch (const std::exception& problem) {
  std::fprintf(stderr, "quiz: %s\n", problem.what());
  return 2;
}
