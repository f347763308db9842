#!/bin/sh
# run.sh — runs the tests: the unit cases first, then every behaviour case against every server,
# two servers at a time, and beside them the cases with faults injected; then what the makefile
# checks besides, such as the lessons.
#
# Usage: tests/run.sh BUILD 'SERVERS' [CASE] [TESTS]
#   TESTS is where the test programs are, if not in BUILD/tests.
#   In the environment: FORTIFY, the flags that the programs were built with, for hardening.sh;
#   ONCE, targets of the makefile that are tests, too; MAKE, who makes them; NARROWED, if only
#   behaviour is to run.
#   CASE is a pattern such as '*half-close*'; with it, only behaviour runs.
# What is skipped, and why, is said at the end. The last line is "N passed, N failed", and
# ", N skipped" if any are; the status is 0 if none failed.
set -u
build=$1
servers=$2
case_pattern=${3:-}
tests=${4:-$build/tests}
here=$(mktemp -d "${TMPDIR:-/tmp}/two-ways-tests.XXXXXX") || exit 1
began=$(date +%s)
child=
lanes=
ticker=
trap 'kill $child $lanes $ticker 2>/dev/null; rm -rf "$here"' EXIT
trap 'exit 130' INT TERM

# What is running, every ten seconds: nobody has to wonder whether anything is.
tick() {
  trap 'kill $!; exit' TERM
  while sleep 10 & wait $!; do
    running=$(cd "$here" && echo *.running | sed 's/\.running//g')
    printf '%5d s  %s\n' $(($(date +%s) - began)) "$running"
  done
} 2>/dev/null
tick &
ticker=$!

# One test program: its output into a file, its exit status into another. In the background, so
# that a signal ends it: a shell that waits for a program heeds no trap.
run_quietly() {
  name=$1
  shift
  : >"$here/$name.running"
  "$@" >"$here/$name.log" 2>&1 &
  child=$!
  wait "$child"
  echo $? >"$here/$name.status"
  rm "$here/$name.running"
  child=
}

# Shows what a test program said: all of it if a case failed, else the skipped ones and the count.
report() {
  if [ -n "$case_pattern" ] && grep -q 'no case matches' "$here/$1.log"; then
    printf '%-24s no case matches\n' "$1" # of one server only, for example
    return
  fi
  if [ "$(cat "$here/$1.status")" = 0 ]; then
    grep -E '^(note|inconclusive|  +[^ ])' "$here/$1.log" | head -n 40
  else
    cat "$here/$1.log"
    failed_programs="$failed_programs $1"
  fi
  printf '%-24s %s\n' "$1" "$(grep 'test cases:' "$here/$1.log" || tail -n 1 "$here/$1.log")"
}

run_behaviour() {
  if [ -n "$case_pattern" ]; then
    run_quietly "$1" "$tests/behaviour" "--build=$build" "--server=$1" "-tc=$case_pattern"
  else
    run_quietly "$1" "$tests/behaviour" "--build=$build" "--server=$1"
  fi
}

failed_programs=
names=
beside=

if [ -z "$case_pattern${4:-}${NARROWED-}" ]; then
  programs="$servers prefork"
  run_quietly hardening sh tests/hardening.sh "$build" "$programs" "${FORTIFY-}"
  report hardening
  names="$names hardening"
  for program in unit wrong_code replay instruments kqueue_model grader; do
    [ -x "$tests/$program" ] || continue
    run_quietly "$program" "$tests/$program"
    report "$program"
    names="$names $program"
  done
  [ -x "$tests/faults" ] && beside='faults soak'
  servers=$programs # prefork runs the cases about starting and stopping
fi

end_with_child() {
  trap 'kill $child 2>/dev/null; exit 143' TERM
}

# What the makefile checks is one case for each target.
run_once() {
  run_quietly "$1" "$MAKE" -s --no-print-directory "$1"
  report "$1"
  case $(cat "$here/$1.status") in
    0) echo 'test cases: 1 | 1 passed | 0 failed' ;;
    *) echo 'test cases: 1 | 0 passed | 1 failed' ;;
  esac >>"$here/$1.log"
  names="$names $1"
}

any_lane_runs() {
  for lane in $lanes; do kill -0 "$lane" 2>/dev/null && return; done
  return 1
}

# Lanes, because a test mostly waits; the reports come in the order of the list.
lane() {
  end_with_child
  number=0
  for server in $servers; do
    number=$((number + 1))
    [ $((number % 2)) -eq "$1" ] && run_behaviour "$server"
  done
}
lane_of_faults() {
  end_with_child
  # shellcheck disable=SC2046,SC2086 # one option for each program
  run_quietly faults "$tests/faults" $(printf -- '--server=%s ' $programs)
  run_quietly soak "$tests/faults" --soak --seed=2 --seconds=0 --server=poll_loop # one round
}
lane 1 &
lanes="$lanes $!"
lane 0 &
lanes="$lanes $!"
if [ -n "$beside" ]; then
  lane_of_faults &
  lanes="$lanes $!"
fi
for name in $servers $beside; do
  while [ ! -s "$here/$name.status" ] && any_lane_runs; do sleep 0.2; done
  report "$name"
  names="$names $name"
done
# shellcheck disable=SC2086 # their numbers
wait $lanes
lanes=
for target in ${ONCE-}; do run_once "$target"; done

cd "$here" || exit 1
passed=0
failed=0
for name in $names; do
  counts=$(sed -n 's/.*test cases: *[0-9]* *| *\([0-9]*\) passed *| *\([0-9]*\) failed.*/\1 \2/p' \
    "$name.log")
  passed=$((passed + ${counts% *}0 / 10))
  failed=$((failed + ${counts#* }0 / 10))
done
for name in $names; do grep '^skipped: ' "$name.log"; done >skipped
skipped=$(wc -l <skipped | tr -d ' ')
# For doctest a case that was skipped has passed.
for name in $names; do
  grep -q '^\[doctest\]' "$name.log" && passed=$((passed - $(grep -c '^skipped: ' "$name.log")))
done
[ "$skipped" -eq 0 ] || { echo && cat skipped; }
[ -n "$failed_programs" ] && echo "failed:$failed_programs"
[ -n "$failed_programs" ] && [ "$failed" -eq 0 ] && failed=1 # one that did not finish
[ $((passed + failed)) -eq 0 ] && echo "no case matches '$case_pattern'" >&2
[ "$skipped" -eq 0 ] || also=", $skipped skipped"
echo "$passed passed, $failed failed${also-}"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
