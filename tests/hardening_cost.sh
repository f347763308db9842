#!/bin/sh
# hardening_cost.sh — what the defences of SECURITY.md cost: user instructions for one answer of
# each loop, counted as by `make ratios EXPERIMENT=instructions`, built in three ways.
# Usage: tests/hardening_cost.sh CXX BUILD FORTIFY   (BUILD has `compare` in it)
set -eu
cxx=$1
build=$2
fortify=$3
loops='event_loop await_loop poll_loop'

command -v valgrind >/dev/null || {
  echo 'cost: valgrind is not installed, so no instructions are counted (Debian: valgrind)'
  exit 0
}

# build_with NAME HARDENING [HARDENED_LINK] — builds the loops in a folder of their own.
build_with() {
  directory=$build/hardening/$1
  targets=$directory/floor_epoll
  for name in $loops; do targets="$targets $directory/$name"; done
  # shellcheck disable=SC2086 # the targets are meant to be split
  "${MAKE:-make}" -s --no-print-directory CXX="$cxx" BUILD="$directory" HARDENING="$2" \
    ${3:+HARDENED_LINK="$3"} $targets >/dev/null
}

row() {
  # shellcheck disable=SC2086 # the numbers are meant to be split
  printf '%-44s%12s%12s%12s\n' "$1" $2
}

# count WORDS DIRECTORY — the row for the loops in there.
count() {
  measured=$("$build/compare" -d "$2" instructions) || { echo "$1: $measured"; return 1; }
  row "$1" "$(for name in $loops; do
    printf '%s\n' "$measured" | sed -n "s/^$name  *\([0-9]*\).*/\1/p"
  done)"
}

build_with none '-U_FORTIFY_SOURCE -fno-stack-protector -fno-pie' -no-pie
build_with strong "$fortify -fstack-protector-strong -fPIE"
echo
row 'User instructions for one answer (valgrind)' "$loops"
count 'without any of this' "$build/hardening/none"
count 'as built' "$build"
count 'with -fstack-protector-strong' "$build/hardening/strong"
