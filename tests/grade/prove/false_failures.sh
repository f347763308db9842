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
if [ "$1" = grading ]; then # one of those below
  build=$2
  here=$3
  program=$4
  log=$here/$(echo "$program" | tr / .).$5.log
  "$here/grade" --build "$build" --program "$here/$program" --steps --list-lost \
    "$(basename "$program")" >"$log" 2>&1
  status=$?
  ended_with() { grep -c "\. $1  *[0-9][0-9]*/[0-9][0-9]*\$" "$log"; } # how many checks
  late=$(ended_with 'ok (?)')
  unclear=$(ended_with inconclusive)
  asked=$(($(ended_with '[a-zA-Z]*.*') - $(ended_with skipped)))
  lost=$(sed -n 's/^lost//p' "$log")
  echo "$program $asked $(ended_with ok) $late $status $unclear$lost" >>"$here/results.txt"
  [ "$status $late $unclear" != '0 0 0' ] || rm -f "$log"
  exit 0
fi
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

# Every grading is one line: program, checks, passed, late, status, not judged, lost.
number=0
while [ "$number" -lt "$runs" ]; do
  number=$((number + 1))
  for program in $programs; do echo "$program $number"; done
done | xargs -P "$graders" -n 2 sh "$0" grading "$build" "$here" &
helpers="$helpers $!"
wait $!

count_results
