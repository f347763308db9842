#!/bin/sh
# bench_compare.sh — two runs of `make bench`, their ratios side by side.
#
# Usage: tests/measure/bench_compare.sh DIRECTORY DIRECTORY
# The ratios are those of the CSV files: to the experiment's reference (event_loop, epoll, one copy),
# within a repeat, medians. Tails (p99, p99.9) and counts of rare events are left out: a handful of
# requests decides them.
set -u
if [ $# -ne 2 ] || [ ! -d "$1" ] || [ ! -d "$2" ]; then
  echo 'usage: bench_compare.sh DIRECTORY DIRECTORY   (make bench-compare A=DIRECTORY B=DIRECTORY)' >&2
  exit 2
fi

# "experiment metric x model ratio", with tabs between them.
ratios() { # directory
  for name in waiting threads wakeup idle switches upstream cpu churn cores; do
    [ -f "$1/$name.csv" ] || continue
    awk -F, -v name="$name" '
      /^#/ || $8 == "" || $8 == "ratio" || $8 == 1 { next }
      $3 !~ /^(row_ms|computing_us|resident_bytes|ns_.*|per_second|p50_us|cpu_us|spins_per_second)$/ { next }
      name == "threads" && $2 < 1000 { next }
      { printf "%s\t%s\t%s\t%s\t%s\n", name, $3, $2, $1, $8 }' "$1/$name.csv"
  done
}

one=$(mktemp "${TMPDIR:-/tmp}/ratios.XXXXXX") || exit 1
trap 'rm -f "$one"' EXIT
ratios "$1" >"$one"
ratios "$2" | awk -F'\t' -v first="$one" '
  BEGIN {
    while ((getline line < first) > 0) {
      split(line, f, "\t")
      of_first[f[1] "\t" f[2] "\t" f[3] "\t" f[4]] = f[5]
    }
    printf "%-10s %-17s %6s  %-22s %9s %9s %7s  %s\n",
      "experiment", "ratio of", "at", "model", "run 1", "run 2", "apart", "within 15%"
  }
  {
    key = $1 "\t" $2 "\t" $3 "\t" $4
    if (!(key in of_first)) next
    a = of_first[key]; b = $5
    if (a <= 0 || b <= 0) next
    apart = (a > b ? a / b : b / a) - 1
    all++; near += apart <= 0.15
    printf "%-10s %-17s %6s  %-22s %9.4g %9.4g %6.1f%%  %s\n",
      $1, $2, $3, $4, a, b, 100 * apart, apart <= 0.15 ? "yes" : "NO"
  }
  END { printf "%d of %d ratios agree within 15%%\n", near, all }'
