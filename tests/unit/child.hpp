// child.hpp — runs a piece of a test in a process of its own.
//
// Gives: what a piece of code writes and how its process ends. Signals, limits and exit() that
//        would end or spoil the tests' own process happen in the child only.
// Do not: use doctest's assertions in the child; write to stdout or exit with a status instead.
#pragma once

#include <functional>
#include <string>

struct ChildEnd {
  int exit_status = -1;  // -1: it did not exit
  int signal = 0;        // that ended it; 0: none
  std::string out;       // what it wrote to stdout
  std::string err;       // and to stderr
};

// Runs `work` in a child and waits for its end. A child still running after ten seconds is ended
// by SIGALRM. Exit status 0 if `work` returns, 99 if it throws.
ChildEnd run_in_child(const std::function<void()>& work);

// In a child: ends it with status 1 and a line on stderr unless `holds`.
void demand(bool holds, const char* what);
