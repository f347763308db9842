#!/bin/sh
# check_words.sh — spelling and Markdown of lessons.md, and a try of the quiz.
# Usage: tests/lessons/check_words.sh BUILD [MARKDOWNLINT]
set -eu
build=$1
markdownlint=${2:-}

if command -v codespell >/dev/null; then
  codespell lessons.md tests/lessons/*.?pp
else
  echo "skipped: codespell is not installed"
fi

if [ -n "$markdownlint" ]; then
  "$markdownlint" --config tests/lessons/markdownlint.json lessons.md
else
  echo "skipped: markdownlint is not installed (npm install markdownlint-cli)"
fi

# The quiz reads the same text: all right answers make a full score, none make none.
"$build/quiz" -b >"$build/blank.answers"
none=$("$build/quiz" -a "$build/blank.answers" | grep 'right$' | tail -n 1)
case $none in
"0 of "*) ;;
*)
  echo "quiz: no answers, and yet '$none'" >&2
  exit 1
  ;;
esac
echo "quiz: $none without answers, as it should be"
