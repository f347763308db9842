// references.hpp — does everything exist that lessons.md names, and is its code the code's own?
#pragma once

#include "tests/lessons/document.hpp"

// Links, figures and anchors; the anchors that sources refer to; a row and a brief for every
// exercise; code that is quoted and not typed.
void check_references(const Document& document, Report& report);

// Links and figures of a page in `folder` ("" is the root) lead somewhere, and commands mean the
// same in every shell they may be pasted into: sh, bash and zsh.
void check_page(const Document& document, const std::string& folder, Report& report);

// The brief of each exercise is written in lessons.md, under the heading "### NAME". The README.md
// beside the exercise is a copy, with links that lead to the same places from where it stands.
// Brings the copies up to date; throws CallFailed.
void write_briefs(const Document& document);
// Is each there, and as it should be?
void check_briefs(const Document& document, Report& report);
