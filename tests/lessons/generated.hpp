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
// Numbers come from one mark above their table or paragraph. It says the CSV file, a column of it,
// and what the rows have in the other columns; then which rows and columns the table shows (what is
// said at a row or a column holds for it alone), or a list, one a line:
//
//     <!-- numbers: figures/threads.csv median idle_clients=10000
//     rows: model=thread_per_connection | model=event_loop
//     columns: metric=threads | metric=resident_bytes scale 1/1048576 digits 1
//     -->
//     <!-- numbers: figures/cpu.csv median spin_ms=100
//     model=event_loop metric=p99_ms digits 1
//     -->
//
//     ... takes <!--1-->97.0<!----> ms ...      the first of the list
//
// A space in a cell is an underscore here. "scale" multiplies; "over COLUMN a=b", the last words,
// divides by another number of the same file. A cell of the table without a digit is left alone.
//
// A table of places has a line for each of its rows above it, places as excerpts name them. The
// last two cells are links to them and how many lines of code they are:
//
//     <!-- places:
//     common/wait.hpp "struct Wait {" | common/wait.hpp "struct Turn {"
//     -->
//
// A row of the table of exercises begins with "| `NAME`" while its folder does not exist, and with
// a link to the folder when it does.
#pragma once

#include "tests/lessons/document.hpp"

// The document as it should be. Sources that are not found go to the report.
Lines regenerate(const Document& document, Report& report);

// Where the document is not as it should be: the first line that differs.
void report_differences(const Document& document, const Lines& fresh, Report& report);
