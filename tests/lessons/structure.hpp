// structure.hpp — has each lesson all that a lesson has, and does everything it names exist?
#pragma once

#include "tests/lessons/document.hpp"
#include "tests/lessons/quiz.hpp"

// Crux, command, quiz, recall, exercise, recap, altitudes: in every lesson.
void check_lessons(const Document& document, const std::vector<Question>& questions,
                   Report& report);

// Links, figures and anchors; the anchors that tests refer to; every server and every exercise.
void check_references(const Document& document, Report& report);

// Words of text in a lesson: no code, no comments.
std::size_t count_words(const Document& document, const Lesson& lesson);
