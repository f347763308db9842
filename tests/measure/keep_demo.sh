#!/bin/sh
# keep_demo.sh — keeps what `demo -k` has printed: in figures/demo.txt, and from there in README.md.
# Usage: tests/measure/keep_demo.sh FILE
set -eu
cp "$1" figures/demo.txt
awk -v file=figures/demo.txt '
  /^<!-- \/demo -->/ { inside = 0 }
  !inside { print }
  /^<!-- demo -->/ {
    inside = 1
    print "```text"
    while ((getline line <file) > 0) print line
    print "```"
  }' README.md >"$1.readme"
cp "$1.readme" README.md
