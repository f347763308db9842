#!/bin/sh
# hardening_cost.sh — what the defences of SECURITY.md cost: user instructions for one response of
# each loop, counted by callgrind, built in three ways.
# Usage: tests/hardening_cost.sh CXX BUILD FORTIFY   (BUILD has `load` in it)
set -eu
cxx=$1
build=$2
fortify=$3
loops='event_loop await_loop poll_loop'

command -v valgrind >/dev/null || {
  echo 'cost: valgrind is not installed, so no instructions are counted (Debian: valgrind)'
  exit 0
}
here=$(mktemp -d "${TMPDIR:-/tmp}/hardening.XXXXXX") || exit 1
server=
trap 'kill $server 2>/dev/null || :; rm -rf "$here"' EXIT
trap 'exit 130' INT TERM

# build_with NAME HARDENING [HARDENED_LINK] — builds the loops in a folder of their own.
build_with() {
  directory=$build/hardening/$1
  targets=
  for name in $loops; do targets="$targets $directory/$name"; done
  # shellcheck disable=SC2086 # the targets are meant to be split
  "${MAKE:-make}" -s --no-print-directory CXX="$cxx" BUILD="$directory" HARDENING="$2" \
    ${3:+HARDENED_LINK="$3"} $targets >/dev/null
}

# count PROGRAM SECONDS — instructions, and responses, of a run of so long with 64 clients.
count() {
  : >"$here/ready" # what the last one said
  valgrind -q --tool=callgrind --callgrind-out-file="$here/counted" "$1" -p 0 -t 600 >"$here/ready" &
  server=$!
  until grep -q listening "$here/ready"; do kill -0 $server; sleep 0.1; done
  port=$(sed 's|.*:\([0-9]*\)/|\1|' "$here/ready")
  "$build/load" -s "$2" "$port" >"$here/load"
  kill $server
  wait $server
  server=
  sed -n 's/^summary: *//p' "$here/counted"
  sed -n 's/.*: \([0-9,]*\) [a-z]* in .*/\1/p' "$here/load" | tr -d ,
}

# row WORDS DIRECTORY — for the loops in there; the slope, so that starting and ending do not count.
row() {
  printf '%-44s' "$1"
  for name in $loops; do
    # Not in a pipe: who is interrupted must know which server to end.
    count "$2/$name" 1 >"$here/few"
    count "$2/$name" 4 >"$here/many"
    cat "$here/few" "$here/many" | paste -s -d' ' - |
      awk 'NF == 4 { printf "%12.0f", ($3 - $1) / ($4 - $2); found = 1 } END { exit !found }'
  done
  echo
}

build_with none '-U_FORTIFY_SOURCE -fno-stack-protector -fno-pie' -no-pie
build_with strong "$fortify -fstack-protector-strong -fPIE"
echo
# shellcheck disable=SC2086 # three words
printf '%-44s%12s%12s%12s\n' 'Instructions for one response (valgrind)' $loops
row 'without any of this' "$build/hardening/none"
row 'as built' "$build"
row 'with -fstack-protector-strong' "$build/hardening/strong"
