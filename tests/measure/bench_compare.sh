#!/bin/sh
# bench_compare.sh — two runs of `make bench`, their ratios side by side.
#
# Usage: tests/measure/bench_compare.sh DIRECTORY DIRECTORY
# The ratios are those of the CSV files: to the experiment's reference (event_loop, epoll, one
# copy), within a repeat, medians. The last lines say what is left out, and why.
set -u
if [ $# -ne 2 ] || [ ! -d "$1" ] || [ ! -d "$2" ]; then
  echo 'usage: bench_compare.sh DIRECTORY DIRECTORY   (make bench-compare A=DIRECTORY B=DIRECTORY)' >&2
  exit 2
fi

# "experiment metric x model ratio", with tabs between them.
ratios() { # directory
  for file in "$1"/*.csv; do
    [ -f "$file" ] || continue
    awk -F, -v name="$(basename "$file" .csv)" -v law="Little's law" '
      /^#/ || $8 == "" || $8 == "ratio" { next }
      $3 ~ /^p99/ || $3 == "generator_cpu" || $1 == law { next }
      $3 ~ /^(kernel_.*|socket_bytes)$/ && $2 < 1000 { next }
      $3 ~ /_switches$/ && ($8 == 0 || $4 < 0.01 || $4 / $8 < 0.01) { next }
      { printf "%s\t%s\t%s\t%s\t%s\n", name, $3, $2, $1, $8 }' "$file"
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
    printf "%-10s %-20s %6s  %-22s %9s %9s %7s  %s\n",
      "experiment", "ratio of", "at", "model", "run 1", "run 2", "apart", "within 15%"
  }
  {
    key = $1 "\t" $2 "\t" $3 "\t" $4
    if (!(key in of_first)) { alone++; next }
    a = of_first[key]; b = $5
    delete of_first[key]
    if (a == 1 && b == 1) next
    if (a <= 0 || b <= 0) { nothing++; next }
    apart = (a > b ? a / b : b / a) - 1
    all++; near += apart <= 0.15
    for (i = all; i > 1 && sorted[i - 1] > apart; i--) sorted[i] = sorted[i - 1]
    sorted[i] = apart
    printf "%-10s %-20s %6s  %-22s %9.4g %9.4g %6.1f%%  %s\n",
      $1, $2, $3, $4, a, b, 100 * apart, apart <= 0.15 ? "yes" : "NO"
  }
  END {
    for (key in of_first) alone++
    printf "%d of %d ratios agree within 15%%; half of them within %.1f%%, nine in ten within %.1f%%\n",
      near, all, 100 * sorted[int((all + 1) / 2)], 100 * sorted[int((9 * all + 9) / 10)]
    print "left out: p99 and p99.9, which a handful of requests decides; the CPU of the generator;"
    print "  the law, which is computed; memory of the whole machine below 1,000 clients; switches of"
    print "  less than one request in 100, in this model or its reference; what is 1 in both runs;"
    printf "  %d ratios that are 0 or less in one of them; %d that only one of them has\n",
      nothing, alone
    exit all == 0
  }'
