#!/bin/sh
# figures.sh — draws the CSV files of `make bench` as SVG, readable on light and on dark pages.
#
# Usage: tests/measure/figures.sh [-k] CSV_DIRECTORY FIGURE_DIRECTORY
#   -k  keep the CSV files beside the figures; those of a quick run are refused
# What an SVG shows follows the reader's colour scheme: its ink and its paper change together.
set -u
own=$(dirname "$0")
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

# "AMD EPYC, 2 CPUs, 23.5 GiB; Linux 6.1; 2026-11-23": from the CSV's header.
machine() {
  sed -n 's/^# machine: //p' "$1" | tr '\n' ';'
  sed -n 's/^# kernel: \([^ ]* [^ ]*\).*/ \1,/p' "$1" | tr '\n' ' '
  sed -n 's/^# date: \([^ ]*\).*/\1/p' "$1" | tr '\n' ' '
  sed -n 's/^# settings: \([^,]*\), \([^;]*\);.*/(\2: \1)/p' "$1"
}

# What all figures have in common. Colours that stand out on white and on black.
preamble() { # name title xlabel ylabel machine caption
  cat <<END
set terminal svg size 860,490 dynamic font "sans-serif,15" linewidth 1.4
set output "$here/$1.svg"
set border 3 linecolor rgb "#010203"
set tics nomirror textcolor rgb "#010203"
set grid ytics linecolor rgb "#90909090" linewidth 0.5
set title "$2" textcolor rgb "#010203" noenhanced
set ylabel "$4" textcolor rgb "#010203" noenhanced
set xlabel "$3" textcolor rgb "#010203" noenhanced
set bmargin 5.8
set label "$6" at screen 0.02, screen 0.078 noenhanced font ",12" textcolor rgb "#010203"
set label "$5" at screen 0.02, screen 0.03 noenhanced font ",12" textcolor rgb "#010203"
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
  style='<style>.paper{fill:#fff}.gap{stroke:#fff}svg,svg g{color:#1f2328}@media(prefers-color-scheme:dark){.paper{fill:#0d1117}.gap{stroke:#0d1117}svg,svg g{color:#e6edf3}}</style><rect class="paper" width="100%" height="100%"/>'
  sed -e "s|<desc>.*</desc>|&$style|" \
    -e "s/stroke='rgb(254, 220, 186)'/class='gap'/" -e "s/rgb( *1, *2, *3)/currentColor/g" -e 's/#010203/currentColor/g' \
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

# picture NAME CSV KIND TITLE XLABEL YLABEL CAPTION [-v VARIABLE=VALUE]... — see figures.awk.
picture() {
  name=$1 file=$from/$2.csv kind=$3 title=$4 x=$5 y=$6 caption=$7
  [ -f "$file" ] || return
  shift 7
  preamble "$name" "$title" "$x" "$y" "$(machine "$file")" "$caption" >"$here/$name.gp"
  if awk -F, -f "$own/figures.awk" -v kind="$kind" "$@" "$file" >>"$here/$name.gp"; then
    draw "$name"
  fi
}

lines() { # name csv metric factor axes(log|xlog) base title xlabel ylabel
  caption='whiskers: least and most of the repeats'
  if grep -q ',saturated,' "$from/$2.csv" 2>/dev/null; then
    caption="$caption; ring: here the load generator was the limit"
  fi
  picture "$1" "$2" lines "$7" "$8" "$9" "$caption" -v metric="$3" -v factor="$4" -v axes="$5" \
    -v base="$6"
}

bars() { # name csv metric factor "x=label ..." title xlabel ylabel
  picture "$1" "$2" bars "$6" "$7" "$8" 'medians of the repeats' -v metric="$3" -v factor="$4" \
    -v labels="$5"
}

drawn=
bars waiting waiting waiting_of_row 100 '0=0_ms 1=1_ms 5=5_ms 20=20_ms 100=100_ms' \
  'waiting: how much of a row is doing nothing' 'delay of the backend' 'percent of the time'
lines threads threads resident_bytes 9.5367431640625e-7 log '' \
  'threads: by how much the process has grown, over the idle server' 'silent clients' \
  'MiB resident, the increase'
lines wakeup wakeup ns_one_ready 0.001 log '' \
  'wakeup: one ready among n' 'watched' 'microseconds for one call'
lines wakeup-ready wakeup ns_k_ready_of_n 0.001 log '' \
  'wakeup: k ready among 5,000 or what the machine allows' 'ready' 'microseconds for one call'
lines idle idle per_second 1 xlog 'event_loop alone' \
  'idle: answers a second, by those of a loop without silent clients in the same turn' \
  'silent clients, beside 64 active ones' 'times as many'
lines idle-p99 idle p99_us 0.001 log '' \
  'idle: latency of the active ones' 'silent clients' 'p99, ms'
bars switches switches voluntary_switches 1 '1=1_client 64=64_clients 1000=1000_clients' \
  'switches: put to sleep, for one request' 'active clients' 'switches asked for'
lines upstream upstream per_second 1 log "" \
  'upstream: rows from a backend that takes 50 ms' 'clients that ask at once' 'rows per second'
bars cpu cpu p99_ms 1 '0=alone 100=beside_one_/spin/100_a_second' \
  'cpu: latency of light requests' 'light requests' 'p99, ms'
bars churn churn cpu_us 1 '0=kept 1=new_for_each_request' \
  'churn: CPU time of the server for one request' 'connections' 'microseconds'
bars cores cores spins_per_second 1 '1=1_worker 2=2_workers 4=4_workers' \
  'cores: /spin/2 on workers with one loop each' 'workers' 'a second'

for file in "$from"/*.csv; do
  name=$(basename "$file" .csv)
  case " $drawn " in
    *" $name "*) ;;
    *) echo "figures: there is no picture of $name" ;;
  esac
done
[ -n "$drawn" ] && echo "figures in $to:$drawn"
exit 0
