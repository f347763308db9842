#include "tests/lessons/quiz.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <regex>

namespace {

// Every paragraph and list item of these lines as one line, and what lies in fences by itself.
Lines paragraphs(Lines::const_iterator from, Lines::const_iterator to, Lines& code) {
  Lines found;
  for (bool is_inside = false; from != to; is_inside = !is_blank(*from++)) {
    if (from->starts_with("```")) {
      while (++from != to && *from != "```") code.push_back(*from);
      if (from == to) break;
      continue;
    }
    if (is_blank(*from)) continue;
    if (is_inside && !from->starts_with("- "))
      found.back() += " " + trimmed(*from);
    else
      found.push_back(trimmed(*from));
  }
  return found;
}

bool begins_question(const std::string& line) {
  return line.starts_with("**Quiz ") || line.starts_with("**Order ");
}

class Reader {
 public:
  Reader(const Document& document, Report& report) : document_(document), report_(report) {}

  Question read(std::size_t at) {
    question_.line = at;
    const auto begin = document_.lines.begin() + static_cast<std::ptrdiff_t>(at);
    const auto next = std::find_if(begin + 1, document_.lines.end(), [](const std::string& line) {
      return begins_question(line) || line.starts_with("#");
    });
    const auto end = std::find(begin, next, "</details>");
    const auto answer = std::find(begin, end, "<details><summary>Answer</summary>");
    read_question(paragraphs(begin, answer, question_.code));
    if (answer == end || end == next)
      complain("has no folded answer");
    else
      read_answer(paragraphs(answer + 1, end, question_.code));
    return question_;
  }

 private:
  void complain(const std::string& what) {
    report_.add(question_.line, "question " + question_.id + " " + what);
  }

  void read_question(const Lines& text) {
    static const std::regex asked("\\*\\*(Quiz|Order) ([0-9]+)(\\.[0-9]+)\\.\\*\\* (.+)");
    static const std::regex choice("- ([A-Z])\\. (.+)");
    std::smatch part;
    if (!std::regex_match(text[0], part, asked)) return complain("has no number, or asks nothing");
    question_.lesson = std::stoi(part[2]);
    question_.id = part[2].str() + part[3].str();
    question_.text = part[4];
    for (std::size_t i = 1; i < text.size(); ++i) {
      std::smatch named;
      if (!std::regex_match(text[i], named, choice)) return complain("has a choice without a name");
      question_.choices.push_back({.name = named[1], .text = named[2]});
    }
    question_.kind = part[1] == "Order"          ? Question::Kind::order
                     : question_.choices.empty() ? Question::Kind::true_or_false
                                                 : Question::Kind::choice;
    if (question_.kind == Question::Kind::true_or_false)
      question_.choices = {{.name = "True"}, {.name = "False"}};
    if (question_.choices.size() < 2) complain("has fewer than two choices");
  }

  void read_answer(const Lines& text) {
    if (question_.kind == Question::Kind::order) return read_order(text.empty() ? "" : text[0]);
    for (const std::string& reason : text) read_reason(reason);
    const auto is_right = [](const Choice& choice) { return choice.is_right; };
    if (std::count_if(question_.choices.begin(), question_.choices.end(), is_right) != 1)
      complain("needs exactly one right answer");
    for (const Choice& choice : question_.choices) check_reason(choice.why, " for " + choice.name);
  }

  void read_reason(const std::string& text) {
    static const std::regex reason("- ([A-Za-z]+): \\*\\*(Right|No)\\.\\*\\* *(.*)");
    std::smatch part;
    if (!std::regex_match(text, part, reason))
      return complain("says neither Right nor No: " + text);
    for (Choice& choice : question_.choices) {
      if (choice.name != part[1]) continue;
      choice.is_right = part[2] == "Right";
      choice.why = part[3];
      return;
    }
    complain("has a reason for " + part[1].str() + ", which is no choice");
  }

  void read_order(const std::string& text) {
    static const std::regex order("\\*\\*([A-Z](, [A-Z])+)\\.\\*\\* *(.*)");
    std::smatch part;
    if (!std::regex_match(text, part, order)) return complain("has no order");
    for (const char c : part[1].str())
      if (std::isupper(static_cast<unsigned char>(c))) question_.order += c;
    question_.why = part[3];
    std::string names;
    for (const Choice& choice : question_.choices) names += choice.name;
    if (!orders_all(question_, names)) complain("has an order that is no order of its choices");
    if (question_.order == names) complain("shows its choices in the right order already");
    check_reason(question_.why, "");
  }

  void check_reason(const std::string& why, const std::string& of_what) {
    if (why.size() < 15) complain("does not say why" + of_what);
  }

  const Document& document_;
  Report& report_;
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

}  // namespace

std::vector<Question> read_questions(const Document& document, Report& report) {
  std::vector<Question> questions;
  std::map<int, int> asked;  // so many in each lesson
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    if (document.is_code[i] || !begins_question(document.lines[i])) continue;
    const Question question = Reader(document, report).read(i);
    questions.push_back(question);
    const Lesson* const lesson = document.lesson_of(i);
    const int number = lesson == nullptr ? 0 : lesson->number;
    const std::string id = std::to_string(number) + "." + std::to_string(++asked[number]);
    if (question.id != id) report.add(i, "question " + question.id + " should be number " + id);
  }
  return questions;
}

namespace {

// "the longest", "the shortest" and "at B" for a choice that is it alone.
std::vector<std::string> giveaways(const Question& question) {
  const auto right = std::find_if(question.choices.begin(), question.choices.end(),
                                  [](const Choice& choice) { return choice.is_right; });
  if (right == question.choices.end()) return {};
  std::vector<std::string> found{"at " + right->name};
  const auto others = [&](auto is_beyond) {
    return std::count_if(question.choices.begin(), question.choices.end(),
                         [&](const Choice& choice) {
                           return is_beyond(right->text.size(), choice.text.size());
                         }) +
               1 ==
           static_cast<std::ptrdiff_t>(question.choices.size());
  };
  if (others(std::greater<>())) found.emplace_back("the longest");
  if (others(std::less<>())) found.emplace_back("the shortest");
  return found;
}

}  // namespace

void check_evenness(const std::vector<Question>& questions, Report& report) {
  std::map<Question::Kind, std::size_t> asked;
  std::map<std::pair<Question::Kind, std::string>, std::size_t> counts;
  for (const Question& question : questions) {
    if (question.kind == Question::Kind::order) continue;
    ++asked[question.kind];
    for (const std::string& what : giveaways(question)) ++counts[{question.kind, what}];
  }
  for (const auto& [what, count] : counts) {
    const std::size_t all = asked[what.first];
    const std::size_t most = what.first == Question::Kind::choice ? all / 2 : all * 2 / 3;
    if (count > most)
      report.add(0, "the right answer is " + what.second + " in " + std::to_string(count) + " of " +
                        std::to_string(all) + " questions");
  }
}

void reorder(std::vector<Question>& questions, unsigned seed) {
  for (Question& question : questions) {
    if (question.kind == Question::Kind::true_or_false) continue;
    // A generator for each question, so that one that is left out changes no other; and the shuffle
    // by hand, since that of the library is another one on each system.
    unsigned start = seed;
    for (const char c : question.id) start = start * 31 + static_cast<unsigned char>(c);
    std::minstd_rand random(start);
    random.discard(7);
    const std::vector<Choice> old = question.choices;
    std::vector<std::size_t> places(old.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    for (std::size_t i = places.size(); i > 1; --i) std::swap(places[i - 1], places[random() % i]);
    std::string order = question.order;
    for (std::size_t i = 0; i < places.size(); ++i) {
      question.choices[i] = old[places[i]];
      question.choices[i].name = old[i].name;
      for (std::size_t k = 0; k < order.size(); ++k)
        if (question.order[k] == old[places[i]].name[0]) order[k] = old[i].name[0];
    }
    question.order = order;
  }
}

bool is_right(const Question& question, const std::string& answer) {
  if (question.kind == Question::Kind::order) return plain(answer) == plain(question.order);
  return std::any_of(question.choices.begin(), question.choices.end(), [&](const Choice& choice) {
    return choice.is_right && plain(choice.name) == plain(answer);
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
    if (plain(choice.name) == plain(answer)) return choice.why;
  return "";
}
