#!/bin/sh
# new_exercise.sh — the beginning of an exercise: its folder with a starter and exercise.mk, a solution,
# and a row and a brief in lessons.md. Starter and solution are our own server until you change them;
# where three dots stand, something is to be filled in. make check-exercise says what is still missing.
#
# Usage: tests/grade/prove/new_exercise.sh NAME blocking|select_poll|nonblocking
[ "${1:--h}" != -h ] || exec awk 'NR > 1 { if (!/^#/) exit; print substr($0, 3) }' "$0"
set -eu
name=${1-}
in=${2-}
# shellcheck disable=SC2016 # make's variables, as exercise.mk has them
case $in in
  blocking) model=thread_per_connection given='$(STRAIGHT_LINE)' ;;
  select_poll) model=poll_loop given='' ;;
  nonblocking) model=event_loop given='$(READY_QUEUE)' ;;
  *) echo "new-exercise: IN is blocking, select_poll or nonblocking, not '$in'" >&2 && exit 2 ;;
esac
case $name in
  '' | *[!a-z0-9_]* | [!a-z]*)
    echo "new-exercise: NAME is of small letters, digits and _, not '$name'" >&2 && exit 2
    ;;
esac
if ls -d ./*/exercises/"$name/" 2>/dev/null >&2; then
  echo "new-exercise: there is an exercise called $name" >&2 && exit 2
fi
folder=$in/exercises/$name
code() { awk '!/^\/\// { begun = 1 } begun' "$in/$model.cpp"; }
mkdir -p "$folder"
cat >"$folder/exercise.mk" <<END
# What make and the grader know of $name; tests/grade/rules.mk says what the lines mean.
number   = $(($(cat ./*/exercises/*/exercise.mk | grep -c '^number ') + 1))
file     = $name.cpp
${given:+given    = $given
}model    = $model
baseline = 100
checks   = A00:40 B01:46 Y01:4
END
{ echo "// $name — your file: ... Try: make grade EX=$name" && code; } >"$folder/$name.cpp"
{ echo "// $name, solved: ..." && code; } >"tests/grade/solutions/$name.cpp"
awk -v row="| [\`$folder\`]($folder) | 9 | ... | ... h |" '
  in_table && !/^\|/ { print row; in_table = 0 }
  /^\| \[`[a-z_]*\/exercises\// { in_table = 1 }
  { print }' lessons.md >lessons.md.new && mv lessons.md.new lessons.md
cat >>lessons.md <<END

### $name

**What.** Your file is \`$name.cpp\`: ...

**Why.** ...

**The grader looks at** ...

**Time.** About ... hours.

**First step.** \`make grade EX=$name ONLY=A00 V=1\`: ...
END
echo "$folder/, tests/grade/solutions/$name.cpp and the end of lessons.md are yours to write."
echo "Each check you add to exercise.mk wants a wrong program in tests/grade/mutants/$name.txt."
echo "Then: make lessons, which copies the brief into the folder; make check-exercise EX=$name"
