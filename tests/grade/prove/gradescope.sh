#!/bin/sh
# prove_gradescope.sh — the archive for Gradescope, in an empty directory, as its documentation
# prescribes: unpacked into source/, setup.sh once, then run_autograder for each submission.
#
# Usage: tests/grade/prove/gradescope.sh BUILD MAKE EXERCISE [fresh]
#   The solution must score 100, the starter its baseline, and a submission without a file nothing.
#   To save time, what BUILD has compiled already is not compiled again, unless it is to be fresh.
[ "${1:--h}" != -h ] || exec awk 'NR > 1 { if (!/^#/) exit; print substr($0, 3) }' "$0"
set -u
build=$1
make=$2
exercise=$3
[ "$(uname -s)" = Linux ] || {
  echo "skipped: prove-gradescope: Gradescope's machines run Linux, and this one does not"
  exit 0
}
for tool in zip unzip; do
  command -v $tool >/dev/null && continue
  echo "skipped: prove-gradescope: $tool is not installed (Debian: apt-get install $tool)"
  exit 0
done

AUTOGRADER=$(mktemp -d)
chmod 755 "$AUTOGRADER" # as /autograder is: whom root's grader becomes must get in
export AUTOGRADER
trap 'rm -rf "$AUTOGRADER"' EXIT
trap 'exit 130' INT TERM
source=$AUTOGRADER/source
result=$AUTOGRADER/results/results.json
log=$build/prove-gradescope.$exercise.log
archive=$($make -s --no-print-directory gradescope BUILD="$build" EX="$exercise" | tail -n 1)
mkdir "$source" "$AUTOGRADER/submission" "$AUTOGRADER/results" &&
  unzip -q "$archive" -d "$source" && cp "$source/run_autograder" "$AUTOGRADER/" || exit 1
if [ "${4:-}" != fresh ]; then
  for objects in objects asan/objects tsan/objects; do
    [ -d "$build/$objects" ] || continue
    mkdir -p "$source/two-ways-to-wait/build/$(dirname "$objects")" &&
      cp -Rp "$build/$objects" "$source/two-ways-to-wait/build/$objects" || exit 1
  done
fi
unset MAKEFLAGS MFLAGS # of the make that runs this
if ! sh "$source/setup.sh" >"$log" 2>&1; then
  echo "setup.sh has failed, see $log"
  exit 1
fi

failed=0
expect() { # what was handed in, its score
  rm -f "$result"
  (cd / && "$AUTOGRADER/run_autograder") >>"$log" 2>&1
  score=$(sed -n 's,^[{ ]*"score": \([0-9]*\).*,\1,p' "$result" | head -n 1) # the whole comes first
  echo "Gradescope, $exercise, $1: $score points"
  [ "$score" = "$2" ] && return
  echo "it should be $2, see $log"
  cat "$result" >>"$log"
  failed=1
}

file=$(sed -n 's/^file *= *//p' ./*/exercises/"$exercise"/exercise.mk)
expect 'a submission without a file' 0
# shellcheck disable=SC2016 # a name is no word to any shell or make
folder=$AUTOGRADER/submission/'$(shell touch was-run)'
mkdir "$folder"
sh tests/grade/mutant.sh solution "$exercise" >"$folder/$file"
expect 'the solution' 100
rm -r "$folder"
if [ -e "$source/two-ways-to-wait/was-run" ]; then
  echo "the name of a student's folder has been run"
  failed=1
fi
# A check that was skipped does not count. It may be so because of the machine, but not because
# setup.sh has not built what the check runs.
if grep 'there is no ' "$result"; then
  echo 'the solution has not been asked everything'
  failed=1
fi
# The compiler has something to say about this one.
{ cat ./*/exercises/"$exercise/$file" && echo 'static int nobody_needs_this;'; } \
  >"$AUTOGRADER/submission/$file"
expect 'the starter' "$("$build/grade" --baseline "$exercise")"
if ! grep -q 'nobody_needs_this' "$result"; then
  echo "the result does not say what the compiler has warned of"
  failed=1
fi
# On its machines the grader can hide nothing. It is root there, and what is graded is not.
sed "s,@RESULT@,$result,g" tests/grade/prove/forger.cpp >"$AUTOGRADER/submission/$file"
expect 'a submission that forges the result, and kills who grades it' 0
exit "$failed"
