#!/bin/sh
# correct.sh — correct programs that are written in other ways than the solutions: each must have
# all points. tests/grade/correct/EXERCISE-NAME.cpp stands in the place of the student's file.
#
# Usage: tests/grade/correct.sh BUILD MAKE [PATTERN]
set -u
build=$1
make=$2
here=$build/correct
mkdir -p "$here" || exit 1
failed=0
for source in tests/grade/correct/*"${3:-}"*.cpp; do
  [ -e "$source" ] || continue # the pattern is for mutants only
  name=$(basename "$source" .cpp)
  exercise=${name%%-*}
  log=$here/$name.log
  if ! $make -s --no-print-directory submission BUILD="$build" EX="$exercise" FROM="$source" \
    INTO="$here/$name" >"$log" 2>&1; then
    echo "$name does not compile, see $log"
    failed=1
    continue
  fi
  "$build/grade" --build "$build" --program "$here/$name" --list-lost "$exercise" >"$log" 2>&1
  status=$?
  printf '%-32s %s\n' "$name" "$(tail -n 1 "$log")"
  [ "$status" -eq 0 ] || failed=1
done
exit "$failed"
