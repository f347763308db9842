// console.hpp — runs the console blocks of lessons.md and compares what they print.
//
// A block is a conversation with sh(1): "$ COMMAND", then what it prints. All blocks of a lesson
// are typed into one shell, so a server that is started with & in one block is there in the next.
// When the lesson ends, all of its programs are stopped.
//
// The ports in the text (8080 to 8099, 9090 to 9099) are replaced by free ones.
//
// Numbers, dates, and units of size and time may differ; "..." stands for any lines.
//
// A lesson that runs curl or strace is skipped where that is not installed, and one with a comment
//     <!-- console: needs /proc/self/status -->
// above a block where that is not.
#pragma once

#include "tests/lessons/document.hpp"

// Runs the blocks of one lesson, or of all if `only` is negative, under a soft limit of so many
// descriptors (0: the one that is here).
void run_consoles(const Document& document, int only, unsigned descriptors, Report& report);
