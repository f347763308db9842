// report.hpp — what a grading has come to, before it is written in any format.
//
// Gives: one neutral structure, and every text that is made from it.
// Do:    take all words about a check from here. What a student's program has printed has been
//        escaped and cut when it comes in, so that it is never mistaken for the grader's own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

enum class Verdict {
  passed,
  failed,
  blocked,       // a check it builds on has not passed, or the time was used up
  skipped,       // this machine cannot; not counted
  inconclusive,  // the machine was too busy to judge, to the end; not counted
  error          // the grader's own fault
};

struct CheckReport {
  std::string id;
  std::string title;
  int points = 0;
  Verdict verdict = Verdict::error;
  std::string did;
  std::string expected;
  std::string saw;  // or why it was skipped, blocked, inconclusive
  std::string steps;
  std::string hint;
  std::string lesson;
  std::string again;
  double seconds = 0;
  bool is_repeated = false;  // it has passed, but not at first: `saw` says what was seen then

  int earned() const { return verdict == Verdict::passed ? points : 0; }
  bool is_open() const { return verdict == Verdict::skipped || verdict == Verdict::inconclusive; }
  int counted() const { return is_open() ? 0 : points; }
  bool is_lost() const { return verdict == Verdict::failed || verdict == Verdict::blocked; }
};

struct Report {
  std::string exercise;
  std::string problem;   // why nothing could be checked: it does not compile...
  std::string fault;     // if the grader has not come to an end: "error" or "killed"
  std::string compiler;  // what the compiler has warned of
  std::vector<CheckReport> checks;
  double seconds = 0;
  bool is_finished = false;

  int score() const;
  int most() const;  // what could be had: 100, less what could not be judged
  bool has_error() const;
};

const char* word_for(Verdict verdict);

// How many bytes at its beginning are one character in UTF-8 that shows itself and nothing else
// (RFC 3629); 0 if none are. Controls, turns of direction and what has no width would change what
// is read beside them.
std::size_t printable_at_begin(std::string_view text);

// All else becomes \xNN; line feeds stay. Cut at `most`.
std::string escaped(const std::string& text, std::size_t most);

std::string in_one_line(const std::string& text, std::size_t most);  // line feeds, too

// Takes the story of tests/kit/check.hpp apart into the fields of a report.
void read_story(const std::string& story, CheckReport& check);

// -- on the screen --
std::string line_for(const CheckReport& check);
std::string details_of(const CheckReport& check, bool with_steps);
std::string bar_for(const Report& report);
std::string words_for_rest(const Report& report);  // which checks do not count; "" if all do
std::string as_text(const Report& report);  // all of it, for a student who has not been there

// -- for programs: tests/grade/formats.cpp --
std::string as_json(const Report& report);
std::string as_junit(const Report& report);
std::string as_gradescope(const Report& report);

// From one process of the grader to another: nothing if it is not whole.
std::string packed(const Report& report);
std::optional<Report> unpacked(const std::string& bytes);

// Writes beside the file and renames, so that nobody ever reads half of it. Throws CallFailed.
void save(const std::string& path, const std::string& text);
