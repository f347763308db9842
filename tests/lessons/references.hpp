// references.hpp — does everything exist that lessons.md names, and is its code the code's own?
#pragma once

#include "tests/lessons/document.hpp"

// Links, figures and anchors; the anchors that sources refer to; a row and a brief for every
// exercise; code that is quoted and not typed.
void check_references(const Document& document, Report& report);

// Links and figures of a page in `folder` ("" is the root) lead somewhere, and commands mean the
// same in every shell they may be pasted into: sh, bash and zsh.
void check_page(const Document& document, const std::string& folder, Report& report);
