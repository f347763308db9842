#!/bin/sh
# bench_repeat.sh — is each verdict the same when the measurements are repeated?
#
# Usage: tests/measure/bench_repeat.sh TIMES DIRECTORY RUN_BENCH [OPTION...] [EXPERIMENT...]
# DIRECTORY must be new, or what an earlier repetition has left: it is emptied.
# Each run leaves its CSV files in DIRECTORY/1, DIRECTORY/2... Exit status 1 if a verdict changed or
# is missing, or something in a run failed.
set -u
usage() {
  echo 'usage: bench_repeat.sh TIMES DIRECTORY RUN_BENCH [OPTION...] [EXPERIMENT...]' >&2
  exit 2
}
[ $# -ge 3 ] || usage
case $1 in '' | *[!0-9]*) usage ;; esac
times=$1 directory=$2 run_bench=$3
shift 3
if [ -e "$directory" ] && ! [ -f "$directory/1/output.txt" ]; then
  echo "bench_repeat: $directory is not from an earlier repetition, and would be emptied" >&2
  exit 2
fi
rm -rf "$directory"
run=1
failed=0
while [ "$run" -le "$times" ]; do
  mkdir -p "$directory/$run" || exit 1
  echo "run $run of $times"
  "$run_bench" -o "$directory/$run" "$@" >"$directory/$run/output.txt"
  status=$?
  [ "$status" -gt 1 ] && exit "$status"
  if [ "$status" -eq 1 ]; then
    failed=$((failed + 1))
    echo "something FAILED: $directory/$run/output.txt tells what"
  fi
  run=$((run + 1))
done

# An experiment that any of the runs has written about.
names=$(for file in "$directory"/*/*.csv; do
  [ -f "$file" ] && basename "$file" .csv
done | sort -u)
if [ -z "$names" ]; then
  echo "bench_repeat: no run has left a CSV file in $directory" >&2
  exit 1
fi

different=0
for name in $names; do
  verdicts=$(sed -n 's/^# verdict: //p' "$directory"/*/"$name.csv" | sort | uniq -c | sort -rn)
  found=$(echo "$verdicts" | awk '{ sum += $1 } END { print sum }')
  if [ "$found" -ne "$times" ]; then
    different=$((different + 1))
    printf '%s: MISSING: %s verdicts in %s runs\n%s\n' "$name" "$found" "$times" "$verdicts"
  elif [ "$(echo "$verdicts" | wc -l)" -gt 1 ]; then
    different=$((different + 1))
    printf '%s: CHANGED\n%s\n' "$name" "$verdicts"
  else
    echo "$name: the same verdict $times times: $(echo "$verdicts" | sed 's/^ *[0-9]* //')"
  fi
done
echo "verdicts changed or missing: $different; runs in which something failed: $failed of $times"
[ "$different" -eq 0 ] && [ "$failed" -eq 0 ]
