#!/bin/sh
# bench_repeat.sh — is each verdict the same when the measurements are repeated?
#
# Usage: tests/measure/bench_repeat.sh TIMES DIRECTORY RUN_BENCH [OPTION...] [EXPERIMENT...]
# Each run leaves its CSV files in DIRECTORY/1, DIRECTORY/2... Exit status 1 if a verdict changed.
set -u
case ${1:-} in
  '' | *[!0-9]*)
    echo 'usage: bench_repeat.sh TIMES DIRECTORY RUN_BENCH [OPTION...] [EXPERIMENT...]' >&2
    exit 2
    ;;
esac
times=$1 directory=$2 run_bench=$3
shift 3
rm -rf "$directory"
run=1
while [ "$run" -le "$times" ]; do
  mkdir -p "$directory/$run" || exit 1
  echo "run $run of $times"
  "$run_bench" -o "$directory/$run" "$@" >"$directory/$run/output.txt"
  status=$?
  [ "$status" -gt 1 ] && exit "$status"
  run=$((run + 1))
done

changed=0
for file in "$directory"/1/*.csv; do
  name=$(basename "$file" .csv)
  verdicts=$(sed -n 's/^# verdict: //p' "$directory"/*/"$name.csv" | sort | uniq -c | sort -rn)
  if [ "$(echo "$verdicts" | wc -l)" -eq 1 ]; then
    echo "$name: the same verdict $times times: $(echo "$verdicts" | sed 's/^ *[0-9]* //')"
  else
    changed=$((changed + 1))
    printf '%s: CHANGED\n%s\n' "$name" "$verdicts"
  fi
done
echo "$changed verdicts changed in $times runs"
[ "$changed" -eq 0 ]
