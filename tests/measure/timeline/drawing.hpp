// drawing.hpp — a timeline as a picture, and as lines of text.
#pragma once

#include <string>

#include "tests/measure/timeline/lanes.hpp"

// SVG, 800 wide, light or dark as its reader's page is. What would be narrower than this many of
// its pixels is drawn so wide, and what comes behind it a little later.
inline constexpr double least_width = 2.5;
std::string draw_svg(const Timeline& timeline);

struct TextStyle {
  bool unicode = true;
  bool colours = false;
};
std::string draw_text(const Timeline& timeline, const TextStyle& style);
