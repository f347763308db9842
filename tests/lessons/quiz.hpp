// quiz.hpp — the questions of lessons.md, the only place where they are written.
//
// A question is a paragraph that begins with "**Quiz 3.1.**" or "**Order 3.4.**", then its
// choices, "- A. ...", then a folded answer:
//
//     <details><summary>Answer</summary>
//
//     - A: **No.** Because...
//     - B: **Right.** Because...
//
//     </details>
//
// A question without choices is true or false; its answer has "- True: ..." and "- False: ...".
// The answer of an order is one paragraph, "**C, A, B.** Because...". A block of code or a trace
// may stand between the question and its choices.
#pragma once

#include <string>
#include <vector>

#include "tests/lessons/document.hpp"

struct Choice {
  std::string name = "";  // "A", or "True"
  std::string text = "";  // empty for true and false
  bool is_right = false;
  std::string why = "";
};

struct Question {
  enum class Kind { choice, true_or_false, order };
  Kind kind = Kind::choice;
  std::string id;  // "3.1"
  int lesson = 0;
  std::size_t line = 0;
  std::string text;
  Lines code;
  std::vector<Choice> choices;
  std::string order;  // "CAB"; only of an order
  std::string why;    // only of an order
};

// All questions in the order of the text. What is not well formed goes to the report.
std::vector<Question> read_questions(const Document& document, Report& report);

// Can the answers be guessed without the text? The right one of three is the longest, the shortest
// or at one place in no more than half of the questions.
void check_evenness(const std::vector<Question>& questions, Report& report);

// The same questions with other letters for the choices, in an order that the seed decides. So the
// key is not the one on the page.
void reorder(std::vector<Question>& questions, unsigned seed);

// Is this what was asked for? "b", "true" or "t", "c a b" or "C,A,B".
bool is_right(const Question& question, const std::string& answer);

// Does this name all choices, in any order?
bool orders_all(const Question& question, const std::string& answer);

// "B", "True", "C A B".
std::string right_answer(const Question& question);

// Why an answer is right or wrong; empty if the question knows no such answer.
std::string why(const Question& question, const std::string& answer);
