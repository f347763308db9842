#!/bin/sh
# false_failures.sh — correct programs through the grader, again and again, while the machine is
# kept busy. Every check that does not pass is a false failure.
#
# Usage: tests/grade/prove/false_failures.sh BUILD RUNS GRADERS HOGS 'NAME...'
#   Each NAME is a program BUILD/NAME/EXERCISE, as in "solutions/offload". It is graded RUNS times,
#   GRADERS at once, beside HOGS processes that do nothing but compute.
# What did not pass is kept in BUILD/mutants/false-failures/*.log. Ends with the counts, and with status 0
# if nothing failed. May be interrupted: it then counts what it has.
[ "${1:--h}" != -h ] || exec awk 'NR > 1 { if (!/^#/) exit; print substr($0, 3) }' "$0"
set -u
build=$1
runs=$2
graders=$3
hogs=$4
programs=$5
here=$build/mutants/false-failures
rm -rf "$here"
mkdir -p "$here" || exit 1
# Copies, so that a build that goes on beside this does not take them away.
cp "$build/grade" "$here/grade" || exit 1
for program in $programs; do
  mkdir -p "$here/$(dirname "$program")" && cp "$build/$program" "$here/$program" || exit 1
  for as in $("$here/grade" --rebuilds "$(basename "$program")"); do
    cp "$build/$program.$as" "$here/$program.$as" || exit 1
  done
done

count_results() {
  awk '{ gradings++; checks += $2; passed += $3; late += $4; if ($5 != 0) bad++
    unclear += $6; failed += NF - 6 }
    $5 != 0 { print }
    END { printf "%d gradings, %d check runs: %d passed, %d late and repeated, %d not judged, %d failed\n",
          gradings, checks, passed, late, unclear, failed; exit bad > 0 }' "$here/results.txt"
}

helpers=
trap 'kill $helpers 2>/dev/null' EXIT
trap 'count_results; exit 130' INT TERM
number=0
while [ "$number" -lt "$hogs" ]; do
  sh -c 'while kill -0 "$1" 2>/dev/null; do i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; done' \
    sh $$ &
  helpers="$helpers $!"
  number=$((number + 1))
done

# How many checks in a log have this outcome?
ended_with() { # outcome, log
  grep -c "\. $1  *[0-9][0-9]*/[0-9][0-9]*\$" "$2"
}

# One grader after the other. Every result is one line: program, checks, passed, late, status,
# not judged, lost.
lane() {
  run=$1
  while [ "$run" -le "$runs" ]; do
    for program in $programs; do
      log=$here/$(echo "$program" | tr / .).$run.log
      "$here/grade" --build "$build" --program "$here/$program" --steps --list-lost \
        "$(basename "$program")" >"$log" 2>&1
      status=$?
      passed=$(ended_with ok "$log")
      late=$(ended_with 'ok (?)' "$log")
      skipped=$(ended_with skipped "$log")
      unclear=$(ended_with inconclusive "$log")
      all=$(ended_with '[a-zA-Z]*.*' "$log")
      lost=$(sed -n 's/^lost//p' "$log")
      echo "$program $((all - skipped)) $passed $late $status $unclear$lost" >>"$here/results.txt"
      [ "$status" -eq 0 ] && [ "$late" -eq 0 ] && [ "$unclear" -eq 0 ] && rm -f "$log"
    done
    run=$((run + graders))
  done
}
first=1
lanes=
while [ "$first" -le "$graders" ]; do
  lane "$first" &
  lanes="$lanes $!"
  first=$((first + 1))
done
helpers="$helpers $lanes"
for process in $lanes; do wait "$process"; done

count_results
