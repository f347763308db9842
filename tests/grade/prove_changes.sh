#!/bin/sh
# prove_changes.sh — changes.awk makes what it is told to make, and says what is wrong with what it
# cannot make; differences.awk tells it how to make every solution of its starter, and back.
#
# Usage: tests/grade/prove_changes.sh
set -u
here=$(mktemp -d "${TMPDIR:-/tmp}/changes.XXXXXX") || exit 1
trap 'rm -rf "$here"' EXIT
failed=0

changes() { # mode, name
  awk -f tests/grade/changes.awk -v mode="$1" -v name="${2:-}" -v into="$here/made" "$here/changes.txt"
}

written() { # file, then the lines of one program that changes it
  printf 'Program: server it\nFile: %s\n\n== is: changed\nLoses: A01\n' "$1"
  shift
  printf '%s\n' "$@"
}

expect() { # what is expected, what came
  [ "$1" = "$2" ] && return
  printf 'expected:\n%s\ncame instead:\n%s\n' "$1" "$2"
  failed=1
}

becomes() { # what the lines a, b, c, d become, then the changes
  expected=$1
  shift
  rm -rf "$here/made"
  printf '  a\n  b\n  c\n  d\n' >"$here/file"
  written "$here/file" "$@" >"$here/changes.txt"
  changes make it-is
  expect "$expected" "$(tr '\n' '|' <"$here/made/$here/file")"
}

complains() { # of what, then the changes
  complaint=$1
  shift
  written "$here/file" "$@" >"$here/changes.txt"
  expect "it-is: $complaint" "$(changes check 2>&1 | sed -n '1s/^[^ ]* //p' | sed "s,$here/,,")"
  changes check 2>/dev/null && expect 'a status that is not 0' 0
}

becomes '  a|  x|  c|  d|' '- b' '+ x'
becomes '  a|  x|  y|  d|' '-   b' '-   c' '+   x' '+   y'
becomes '  a|  c|  d|' '- b'
becomes '  a|  c|' '- b' '' '- d'
becomes '  x|  c|  y|' '-   a' '-   b' '+   x' '- d' '+ y'
becomes '  x|  d|' '- a' '- ...' '- c' '+ x'
becomes '  y|  b|  c|  d|' '- a' '+ x' '- x' '+ y'
complains 'this does not occur in file:' '- e' '+ x'
complains 'this occurs more than once in file:' '-  ' '+ x'
complains 'this changes nothing in file:' '- b' '+ b'
complains 'what is this? Lose: A02' 'Lose: A02' '- b' '+ x'
complains 'what is this? + x' '+ x'
complains 'cannot read nowhere' "File: $here/nowhere" '- b' '+ x'
complains 'there are two called so' '== is: again' '- b' '+ x'

make_of() { # file, other file: the first becomes the second
  { written "$1" && sh tests/grade/mutant.sh differences "$1" "$2"; } >"$here/changes.txt"
  rm -rf "$here/made"
  changes make it-is
  cmp "$2" "$here/made/$1" || failed=1
}

for solution in tests/grade/solutions/*; do
  exercise=$(basename "${solution%.*}")
  sh tests/grade/mutant.sh solution "$exercise" >"$here/solution"
  facts=$(echo ./*/exercises/"$exercise"/exercise.mk)
  starter=${facts%/*}/$(sed -n 's/^file *= *//p' "$facts")
  make_of "$starter" "$here/solution"
  make_of "$here/solution" "$starter"
done
[ "$failed" -eq 0 ] && echo 'changes are made as they are written'
exit "$failed"
