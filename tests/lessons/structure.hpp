// structure.hpp — has each lesson all that a lesson has, and does everything it names exist?
#pragma once

#include "tests/lessons/document.hpp"
#include "tests/lessons/quiz.hpp"

// The parts of every lesson, from crux to recap; the misbeliefs; the length, and no sentence twice.
void check_lessons(const Document& document, const std::vector<Question>& questions,
                   Report& report);

// Links, figures and anchors; the anchors that tests refer to; every server and every exercise;
// code that is quoted and not typed.
void check_references(const Document& document, Report& report);

// Commands mean the same in every shell they may be pasted into: sh, bash and zsh.
void check_pasting(const Document& document, Report& report);

// Words in a lesson; no code, no comments.
struct Words {
  std::size_t text = 0;
  std::size_t questions = 0;  // of the quiz, with their choices
  std::size_t folded = 0;     // answers
};
Words count_words(const Document& document, const Lesson& lesson);
