#!/bin/sh
# figures.sh — draws the CSV files of `make bench` as SVG, readable on light and on dark pages.
#
# Usage: tests/measure/figures.sh [-k] CSV_DIRECTORY FIGURE_DIRECTORY
#   -k  keep the CSV files beside the figures; those of a quick run are refused
# What an SVG shows follows the reader's colour scheme: its ink and its paper change together.
set -u
keep=no
if [ "${1:-}" = -k ]; then
  keep=yes
  shift
fi
if [ $# -ne 2 ]; then
  echo 'usage: figures.sh [-k] CSV_DIRECTORY FIGURE_DIRECTORY' >&2
  exit 2
fi
from=$1
to=$2

if [ "$keep" = yes ]; then
  for file in "$from"/*.csv; do
    if [ ! -f "$file" ]; then
      echo "figures: there is no CSV file in $from" >&2
      exit 1
    fi
    if grep -q '^# settings:.* quick;' "$file"; then
      echo "figures: $file is of a quick run, and what is kept is measured whole" >&2
      exit 1
    fi
  done
  cp "$from"/*.csv "$to/" || exit 1
fi
command -v gnuplot >/dev/null || exit 0 # `make bench` has said so
here=$(mktemp -d "${TMPDIR:-/tmp}/figures.XXXXXX") || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 130' INT TERM

# "x median min max" of one model and one metric; 0 is drawn at `zero` on a logarithmic axis.
series() { # file model metric
  awk -F, -v model="$2" -v metric="$3" -v factor="$factor" -v zero="$zero" \
    '!/^#/ && $1 == model && $3 == metric && $4 != "" {
       print ($2 == 0 && zero != "" ? zero : $2), $4 * factor, $5 * factor, $6 * factor }' "$1" |
    sort -g
}

# "AMD EPYC, 2 CPUs, 23.5 GiB; Linux 6.1; 2026-11-23": from the CSV's header.
machine() {
  sed -n 's/^# machine: //p' "$1" | tr '\n' ';'
  sed -n 's/^# kernel: \([^ ]* [^ ]*\).*/ \1,/p' "$1" | tr '\n' ' '
  sed -n 's/^# date: \([^ ]*\).*/\1/p' "$1" | tr '\n' ' '
  sed -n 's/^# settings: \([^,]*\), \([^;]*\);.*/(\2: \1)/p' "$1"
}

# What all figures have in common. Colours that stand out on white and on black.
preamble() { # name title xlabel ylabel machine
  cat <<END
set terminal svg size 860,470 dynamic font "sans-serif,15" linewidth 1.4
set output "$here/$1.svg"
set rmargin 5
set border 3 linecolor rgb "#010203"
set tics nomirror textcolor rgb "#010203"
set grid ytics linecolor rgb "#90909090" linewidth 0.5
set key outside top center horizontal maxrows 2 textcolor rgb "#010203" noenhanced
set title "$2" textcolor rgb "#010203" noenhanced
set ylabel "$4" textcolor rgb "#010203" noenhanced
set xlabel "$3\n$5" textcolor rgb "#010203" noenhanced
set style line 1 linecolor rgb "#d1495b" pointtype 7 pointsize 0.6
set style line 2 linecolor rgb "#b8860b" pointtype 5 pointsize 0.6
set style line 3 linecolor rgb "#8e6bbf" pointtype 9 pointsize 0.7
set style line 4 linecolor rgb "#2a8f5d" pointtype 13 pointsize 0.8
set style line 5 linecolor rgb "#3d85c6" pointtype 11 pointsize 0.7
set style line 6 linecolor rgb "#808080" dashtype 2 pointtype 0
set style line 7 linecolor rgb "#56789a" pointtype 4 pointsize 0.6
END
}

# gnuplot's sentinel colour becomes the ink, and a sheet of paper is put beneath.
finish() { # name
  style='<style>.paper{fill:#fff}svg,svg g{color:#1f2328}@media(prefers-color-scheme:dark){.paper{fill:#0d1117}svg,svg g{color:#e6edf3}}</style><rect class="paper" width="100%" height="100%"/>'
  sed -e "s|<desc>.*</desc>|&$style|" \
    -e "s/rgb( *1, *2, *3)/currentColor/g" -e 's/#010203/currentColor/g' \
    "$here/$1.svg" >"$to/$1.svg"
}

draw() { # name
  if gnuplot "$here/$1.gp" 2>"$here/$1.err"; then
    finish "$1"
    drawn="$drawn $1"
  else
    echo "figures: gnuplot could not draw $1: $(grep -v '^$' "$here/$1.err" | tail -n 1)"
  fi
}

# Every model that has this metric, one a line, in the order of the experiment.
models() { # file metric
  awk -F, -v metric="$2" '!/^#/ && $3 == metric && $4 != "" && !seen[$1]++ { print $1 }' "$1"
}

# The same colour for a model, or the call it waits with, in every figure.
style_of() { # model
  case $1 in
    thread_per_connection) echo 1 ;;
    select*) echo 2 ;;
    poll*) echo 3 ;;
    event_loop | epoll | kqueue | prefork*) echo 4 ;;
    await_loop) echo 5 ;;
    one_at_a_time) echo 7 ;;
    *) echo 6 ;;
  esac
}

# plots NAME FILE METRIC WORDS — adds a plot for each model to $plots; in WORDS, @ is its number.
plots() {
  plots=
  number=0
  while IFS= read -r model; do
    number=$((number + 1))
    words=$(echo "$4" | sed "s|@|$number|g")
    plots="$plots${plots:+, }'$here/$1.$number' $words linestyle $(style_of "$model") title \"$model\""
    case $4 in
      *xticlabels*) clusters "$2" "$model" "$3" ;;
      *) series "$2" "$model" "$3" ;;
    esac >"$here/$1.$number"
  done <<END
$(models "$2" "$3")
END
}

# "label value", a line for each x, of one model and one metric.
clusters() { # file model metric
  for pair in $labels; do
    awk -F, -v model="$2" -v metric="$3" -v factor="$factor" -v x="${pair%%=*}" \
      -v label="$(echo "${pair#*=}" | tr _ ' ')" \
      '!/^#/ && $1 == model && $2 == x && $3 == metric && $4 != "" { value = $4 * factor }
       END { printf "\"%s\" %s\n", label, value == "" ? "NaN" : value }' "$1"
  done
}

# One line for each model.
lines() { # name csv metric factor axes(log|xlog) zero title xlabel ylabel
  name=$1 file=$from/$2.csv metric=$3 factor=$4 axes=$5 zero=$6
  [ -f "$file" ] || return
  plots "$name" "$file" "$metric" 'using 1:2:3:4 with yerrorlines'
  {
    preamble "$name" "$7" "$8" "$9" "$(machine "$file")"
    [ "$axes" = log ] && echo 'set logscale xy; set format y "%.10g"'
    [ "$axes" = xlog ] && echo 'set logscale x; set yrange [0:*]'
    echo 'set format x "%.10g"'
    echo "plot $plots"
  } >"$here/$name.gp"
  draw "$name"
}

# Clusters of bars: a cluster for each x, a bar for each model.
bars() { # name csv metric factor "x=label ..." title xlabel ylabel
  name=$1 file=$from/$2.csv metric=$3 factor=$4 labels=$5
  [ -f "$file" ] || return
  plots "$name" "$file" "$metric" 'using 2:xticlabels(1)'
  {
    preamble "$name" "$6" "$7" "$8" "$(machine "$file")"
    echo 'set style data histograms; set style histogram clustered gap 1; set style fill solid 0.85'
    echo 'set yrange [0:*]; set xtics noenhanced'
    echo "plot $plots"
  } >"$here/$name.gp"
  draw "$name"
}

drawn=
bars waiting waiting waiting_of_row 100 '0=0_ms 1=1_ms 5=5_ms 20=20_ms 100=100_ms' \
  'waiting: how much of a row is doing nothing' 'delay of the backend' 'percent of the time'
lines threads threads resident_bytes 9.5367431640625e-7 log '' \
  'threads: memory of the process' 'silent clients' 'MiB resident'
lines wakeup wakeup ns_one_ready 0.001 log '' \
  'wakeup: one ready among n' 'watched' 'microseconds for one call'
lines wakeup-ready wakeup ns_k_ready_of_n 0.001 log '' \
  'wakeup: k ready among 5,000 or what the machine allows' 'ready' 'microseconds for one call'
lines idle idle per_second 1 xlog 1 \
  'idle: 64 active clients beside silent ones' 'silent clients (none at the left edge)' \
  'requests per second'
lines idle-p99 idle p99_us 0.001 log 1 \
  'idle: latency of the active ones' 'silent clients (none at the left edge)' 'p99, ms'
bars switches switches voluntary_switches 1 '1=1_client 64=64_clients 1000=1000_clients' \
  'switches: put to sleep, for one request' 'active clients' 'switches asked for'
lines upstream upstream per_second 1 log '' \
  'upstream: rows from a backend that takes 50 ms' 'clients that ask at once' 'rows per second'
bars cpu cpu p99_ms 1 '0=alone 100=beside_one_/spin/100_a_second' \
  'cpu: latency of light requests' 'light requests' 'p99, ms'
bars churn churn cpu_us 1 '0=kept 1=new_for_each_request' \
  'churn: CPU time of the server for one request' 'connections' 'microseconds'
bars cores cores spins_per_second 1 '1=1_copy 2=2_copies 4=4_copies' \
  'cores: /spin/2 on copies of one loop' 'copies' 'a second'

for file in "$from"/*.csv; do
  name=$(basename "$file" .csv)
  case " $drawn " in
    *" $name "*) ;;
    *) echo "figures: there is no picture of $name" ;;
  esac
done
[ -n "$drawn" ] && echo "figures in $to:$drawn"
exit 0
