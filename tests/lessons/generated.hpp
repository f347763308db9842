// generated.hpp — the parts of lessons.md that are copied from elsewhere.
//
// An excerpt is named by its file and its first line's own text; it ends at the closing brace of
// the same indentation, or at a last line that is named too:
//
//     <!-- excerpt: common/wait.hpp "struct Wait {" -->
//     <!-- excerpt: common/wait.hpp "enum class Until" to "};" -->
//
// A name is the whole line without its indentation, or the beginning of it. Behind the marker stand
// a link to the place and the text, both put there by this file.
//
// A number is named by its CSV file, its column and the row's other columns:
//
//     <!-- number: figures/threads.csv resident where model=event_loop clients=10000 digits 1 -->
//     97.0<!-- end -->                        (all in one line)
//
// A space in a cell is an underscore here. "scale 0.001" multiplies it first; "over COLUMN where
// ..." divides it by another number of the same file.
//
// A row of the table of exercises begins with "| `NAME`" while its folder does not exist, and with
// a link to the folder when it does.
#pragma once

#include "tests/lessons/document.hpp"

// The document as it should be. Sources that are not found go to the report.
Lines regenerate(const Document& document, Report& report);

// Where the document is not as it should be: the first line that differs.
void report_differences(const Document& document, const Lines& fresh, Report& report);
