#!/bin/sh
# keep_demo.sh — puts the kept demo, figures/demo.txt, where it is shown: into README.md, but for the
# lines about the machine, and four of its columns into lesson 7.
# Usage: tests/measure/keep_demo.sh [-n]
#   -n  changes nothing: status 1, and a line, if a file shows something else
set -eu
here=$(mktemp -d "${TMPDIR:-/tmp}/keep_demo.XXXXXX")
trap 'rm -rf "$here"' EXIT
trap 'exit 130' INT TERM

awk -v file=figures/demo.txt '
  /^<!-- \/demo -->/ { inside = 0 }
  !inside { print }
  /^<!-- demo -->/ {
    inside = 1
    print "```text"
    while ((getline line <file) > 0) if (line !~ /^#/) print line
    print "```"
  }' README.md >"$here/README.md"

# A row is a name of 21 columns, and six values with two spaces or more between them.
awk -v file=figures/demo.txt '
  BEGIN {
    while ((getline line <file) > 0) {
      name = substr(line, 1, 21)
      if (split(substr(line, 22), value, /  +/) == 7)
        row[name] = sprintf("%s%12s%9s%9s%9s", name, value[3], value[5], value[6], value[7])
    }
  }
  /^\$ build\/demo thread_per_connection poll_loop/ { inside = 1 }
  inside && /^```/ { inside = 0 }
  inside && !/^ / && substr($0, 1, 21) in row { $0 = row[substr($0, 1, 21)] }
  { print }' lessons.md >"$here/lessons.md"

for page in README.md lessons.md; do
  if cmp -s "$here/$page" "$page"; then continue; fi
  if [ "${1:-}" = -n ]; then
    echo "$page does not show the demo that is kept in figures/demo.txt; tests/measure/keep_demo.sh puts it there" >&2
    exit 1
  fi
  cp "$here/$page" "$page"
done
