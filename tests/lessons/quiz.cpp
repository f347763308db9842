#include "tests/lessons/quiz.hpp"

#include <algorithm>
#include <cctype>

namespace {

// A paragraph or list item, of one or several lines, as one line. `i` comes to stand behind it.
std::string join_lines(const Document& document, std::size_t& i) {
  std::string text = trimmed(document.lines[i]);
  for (++i; i < document.lines.size(); ++i) {
    const std::string& line = document.lines[i];
    if (is_blank(line) || line.starts_with("- ") || line.starts_with("<") ||
        line.starts_with("```") || line.starts_with("#"))
      break;
    text += " " + trimmed(line);
  }
  return text;
}

void skip_blank(const Document& document, std::size_t& i) {
  while (i < document.lines.size() && is_blank(document.lines[i])) ++i;
}

bool take(std::string& text, std::string_view beginning) {
  if (!text.starts_with(beginning)) return false;
  text = trimmed(std::string_view(text).substr(beginning.size()));
  return true;
}

// "- A. ..." or, in an answer, "- A: ...". The name ends at `mark`.
bool take_item(std::string text, char mark, Choice& choice, std::string& rest) {
  if (!take(text, "- ")) return false;
  const std::size_t end = text.find(mark);
  if (end == text.npos || end > 5) return false;
  choice.name = text.substr(0, end);
  rest = trimmed(std::string_view(text).substr(end + 1));
  return true;
}

class Reader {
 public:
  Reader(const Document& document, Report& report, std::size_t at, bool is_order)
      : document_(document), report_(report), at_(at) {
    question_.line = at;
    question_.kind = is_order ? Question::Kind::order : Question::Kind::choice;
  }

  Question read() {
    read_question();
    read_choices();
    if (question_.choices.empty()) question_.kind = Question::Kind::true_or_false;
    read_answer();
    check();
    return question_;
  }

 private:
  void complain(const std::string& what) {
    report_.add(question_.line, "question " + question_.id + " " + what);
  }

  void read_question() {
    std::string text = join_lines(document_, at_);
    const std::size_t end = text.find(".**");
    const std::size_t space = text.find(' ');
    if (end == text.npos || space > end) return complain("has no number");
    question_.id = text.substr(space + 1, end - space - 1);
    question_.lesson = std::atoi(question_.id.c_str());
    question_.text = trimmed(std::string_view(text).substr(end + 3));
  }

  void read_choices() {
    skip_blank(document_, at_);
    while (at_ < document_.lines.size() && document_.lines[at_].starts_with("- ")) {
      Choice choice;
      const std::string item = join_lines(document_, at_);
      if (!take_item(item, '.', choice, choice.text))
        return complain("has a choice without a name");
      question_.choices.push_back(choice);
    }
  }

  void read_answer() {
    skip_blank(document_, at_);
    const std::string summary = "<details><summary>Answer</summary>";
    if (at_ >= document_.lines.size() || document_.lines[at_] != summary)
      return complain("has no folded answer");
    skip_blank(document_, ++at_);
    if (question_.kind == Question::Kind::order)
      read_order();
    else
      read_reasons();
    skip_blank(document_, at_);
    if (at_ >= document_.lines.size() || document_.lines[at_] != "</details>")
      complain("has an answer that does not end with </details>");
  }

  void read_order() {
    const std::string text = join_lines(document_, at_);
    const std::size_t end = text.find(".**");
    if (!text.starts_with("**") || end == text.npos) return complain("has no order");
    for (const char c : text.substr(0, end))
      if (std::isupper(static_cast<unsigned char>(c))) question_.order += c;
    question_.why = trimmed(std::string_view(text).substr(end + 3));
  }

  void read_reasons() {
    while (at_ < document_.lines.size() && document_.lines[at_].starts_with("- ")) {
      Choice choice;
      if (!take_item(join_lines(document_, at_), ':', choice, choice.why))
        return complain("has a reason without a name");
      choice.is_right = take(choice.why, "**Right.**");
      if (!choice.is_right && !take(choice.why, "**No.**"))
        complain("says neither Right nor No of " + choice.name);
      add_reason(choice);
    }
  }

  void add_reason(const Choice& reason) {
    if (question_.kind == Question::Kind::true_or_false) return question_.choices.push_back(reason);
    for (Choice& choice : question_.choices) {
      if (choice.name != reason.name) continue;
      choice.is_right = reason.is_right;
      choice.why = reason.why;
      return;
    }
    complain("has a reason for " + reason.name + ", which is no choice");
  }

  void check() {
    if (question_.text.empty()) complain("asks nothing");
    if (question_.choices.size() < 2) complain("has fewer than two choices");
    if (question_.kind == Question::Kind::order) return check_order();
    const auto is_right = [](const Choice& choice) { return choice.is_right; };
    if (std::count_if(question_.choices.begin(), question_.choices.end(), is_right) != 1)
      complain("needs exactly one right answer");
    for (const Choice& choice : question_.choices)
      if (choice.why.size() < 15) complain("does not say why for " + choice.name);
  }

  void check_order() {
    std::string names;
    for (const Choice& choice : question_.choices) names += choice.name;
    std::string sorted = question_.order;
    std::sort(sorted.begin(), sorted.end());
    if (sorted != names) complain("has an order that is no order of its choices");
    if (question_.order == names) complain("shows its choices in the right order already");
    if (question_.why.size() < 15) complain("does not say why");
  }

  const Document& document_;
  Report& report_;
  std::size_t at_;
  Question question_;
};

// "c, a b" becomes "CAB"; "t" and "true" become "TRUE".
std::string plain(const std::string& answer) {
  std::string letters;
  for (const char c : answer) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte)) letters += static_cast<char>(std::toupper(byte));
  }
  if (letters == "T") return "TRUE";
  if (letters == "F") return "FALSE";
  return letters;
}

// A choice named F would be read as false; only true-or-false questions know that word.
bool names_choice(const Choice& choice, const std::string& answer) {
  return plain(choice.name) == plain(answer);
}

}  // namespace

std::vector<Question> read_questions(const Document& document, Report& report) {
  std::vector<Question> questions;
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    if (document.is_code[i]) continue;
    const bool is_order = document.lines[i].starts_with("**Order ");
    if (!is_order && !document.lines[i].starts_with("**Quiz ")) continue;
    questions.push_back(Reader(document, report, i, is_order).read());
  }
  return questions;
}

bool is_right(const Question& question, const std::string& answer) {
  if (question.kind == Question::Kind::order) return plain(answer) == plain(question.order);
  return std::any_of(question.choices.begin(), question.choices.end(), [&](const Choice& choice) {
    return choice.is_right && names_choice(choice, answer);
  });
}

bool orders_all(const Question& question, const std::string& answer) {
  std::string given = plain(answer);
  std::string all = question.order;
  std::sort(given.begin(), given.end());
  std::sort(all.begin(), all.end());
  return given == all;
}

std::string right_answer(const Question& question) {
  std::string text;
  if (question.kind == Question::Kind::order) {
    for (const char c : question.order) text += text.empty() ? std::string{c} : std::string{' ', c};
    return text;
  }
  for (const Choice& choice : question.choices)
    if (choice.is_right) text = choice.name;
  return text;
}

std::string why(const Question& question, const std::string& answer) {
  if (question.kind == Question::Kind::order) return question.why;
  for (const Choice& choice : question.choices)
    if (names_choice(choice, answer)) return choice.why;
  return "";
}
