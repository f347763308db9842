#!/bin/sh
# correct.sh — correct programs that are written in other ways than the solutions: each must have
# all points. tests/grade/correct/EXERCISE-NAME.cpp stands in the place of the student's file.
#
# Usage: tests/grade/correct.sh BUILD MAKE [PATTERN [SHARE]]
set -u
build=$1
make=$2
share=${4:-1/1}
# shellcheck source=tests/grade/prove_parts.sh
. tests/grade/prove_parts.sh
here=$build/correct/$$ # kept if something has not all points
mkdir -p "$here" || exit 1
failed=0

# The program, and again with each sanitizer that its exercise wants.
compile() { # exercise, source, program
  for target in submission $("$build/grade" --rebuilds "$1" | sed 's/[a-z]*san/submission-&/g'); do
    $make -s --no-print-directory "$target" BUILD="$build" EX="$1" FROM="$2" INTO="$3" || return 1
  done
}

for source in tests/grade/correct/*"${3:-}"*.cpp; do
  [ -e "$source" ] || continue # the pattern is for mutants only
  is_mine || continue
  name=$(basename "$source" .cpp)
  exercise=${name%%-*}
  log=$here/$name.log
  if ! compile "$exercise" "$source" "$here/$name" >"$log" 2>&1; then
    echo "$name does not compile, see $log"
    failed=1
    continue
  fi
  "$build/grade" --build "$build" --program "$here/$name" --list-lost "$exercise" >"$log" 2>&1
  status=$?
  skipped=$(not_asked "$log")
  printf '%-32s %s%s\n' "$name" "$(tail -n 1 "$log")" "${skipped:+, not asked: $skipped}"
  [ "$status" -eq 0 ] && [ -z "$skipped" ] || failed=1
done
[ "$failed" -eq 0 ] && rm -rf "$here"
