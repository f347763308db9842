#!/bin/sh
# check_words.sh — spelling of all that is to be read, and a try of the quiz.
# Usage: tests/lessons/check_words.sh BUILD
set -eu
build=$1

if command -v codespell >/dev/null; then
  # What codespell takes for a mistake, and is none here, is ignored.
  codespell --ignore-words-list "te,ond,filp,get's" --skip '*/node_modules,*/corpus,*.svg,*-lock.json' \
    ./*.md book common blocking select_poll nonblocking tests
  echo "spelling: codespell has nothing to say"
else
  echo "skipped: spelling: codespell is not installed (Debian: apt-get install codespell)"
fi

# The quiz reads the same text: all right answers make a full score, none make none.
score() { "$build/quiz" -a "$1" | grep ' right$' | tail -n 1; }
"$build/quiz" -b >"$build/blank.answers"
awk '/^\*\*(Quiz|Order) / { id = $2; sub(/\.\*\*.*/, "", id) }
  /^- [A-Za-z]+: \*\*Right/ { sub(":", "", $2); print id, $2 }
  /^\*\*[A-Z](, [A-Z])+\.\*\*/ { sub(/\.\*\*.*/, ""); gsub(/[*, ]/, ""); print id, $0 }
' lessons.md >"$build/right.answers"
none=$(score "$build/blank.answers")
all=$(score "$build/right.answers")
questions=$(grep -c . "$build/right.answers")
if [ "$none" != "0 of $questions right" ] || [ "$all" != "$questions of $questions right" ]; then
  echo "quiz: there are $questions questions; without answers '$none', with all '$all'" >&2
  exit 1
fi
# In an order of a teacher's own: whoever is always wrong is told the key, and the key is right; the
# page's is not.
yes '?' | "$build/quiz" -s 7 | awk '/^[0-9]+\.[0-9]+  / { id = $1 }
  /^     It is / { sub(/^     It is /, ""); sub(/\..*/, ""); print id, $0 }' >"$build/seeded.answers"
seeded=$("$build/quiz" -s 7 -a "$build/seeded.answers" | grep ' right$' | tail -n 1)
copied=$("$build/quiz" -s 7 -a "$build/right.answers" | grep ' right$' | tail -n 1)
if [ "$seeded" != "$questions of $questions right" ] || [ "$copied" = "$seeded" ]; then
  echo "quiz: in another order its own key makes '$seeded', the key of the page '$copied'" >&2
  exit 1
fi
echo "quiz: $none without answers, $all with the right ones; in another order these make $copied"
