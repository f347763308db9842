// briefs.hpp — the brief of each exercise, beside the exercise as README.md.
//
// It is written in lessons.md, under the heading "### NAME". The README.md is a copy, with links
// that lead to the same places from where it stands.
#pragma once

#include "tests/lessons/document.hpp"

// Brings the copies up to date. Throws CallFailed.
void write_briefs(const Document& document);

// Is each there, and as it should be?
void check_briefs(const Document& document, Report& report);
