#!/bin/sh
# mutants.sh — which wrong program loses which check, as tests/grade/mutants/ says. Nothing is built or
# run here: make prove-grader shows that it says the truth.
#
# Usage: tests/grade/prove/mutants.sh table    a line for each check: the wrong programs that lose it
#        tests/grade/prove/mutants.sh check    can all be made, and is every check lost by one? And
#          changes.awk makes what it is told to make, and says what is wrong with what it cannot make.
# Status 1 if not.
[ "${1:--h}" != -h ] || exec awk 'NR > 1 { if (!/^#/) exit; print substr($0, 3) }' "$0"
set -u

# The ids of all checks in our tables, in their order.
checks() {
  sed -n 's/^    {\.name{"\([A-Z][0-9]*\)",.*/\1/p' \
    tests/behaviour/checks_*.cpp tests/grade/checks_*.cpp
}

# "ID NAME..." for every check; after a ? those that lose it by chance of timing only.
losses() {
  sh tests/grade/mutant.sh list | awk -F'|' '{
    for (i = split($3, ids, " "); i > 0; i--) must[ids[i]] = must[ids[i]] " " $1
    for (i = split($4, ids, " "); i > 0; i--) may[ids[i]] = may[ids[i]] " ?" $1
  }
  END {
    for (id in must) print id must[id] may[id]
    for (id in may) if (!(id in must)) print id may[id]
  }' | sort
}

case ${1-} in
  table) losses && exit ;;
  check) ;;
  *) echo "mutants.sh: table or check, not '${1-}'" >&2 && exit 2 ;;
esac
here=$(mktemp -d "${TMPDIR:-/tmp}/changes.XXXXXX") || exit 1
trap 'rm -rf "$here"' EXIT
failed=0

changes() { # mode, name
  awk -f tests/grade/prove/changes.awk -v mode="$1" -v name="${2:-}" -v into="$here/made" "$here/changes.txt"
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

becomes() { # what the last program makes of the lines a, b, c, d, then the changes
  expected=$1
  shift
  rm -rf "$here/made"
  printf '  a\n  b\n  c\n  d\n' >"$here/file"
  written "$here/file" "$@" >"$here/changes.txt"
  changes make "$(changes list | sed -n '$s/|.*//p')"
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
becomes '  x|  a|  b|  c|  d|  y|' '+   x' '    a' '' '    d' '+   y'
becomes '  a|  x|  c|  d|' '    a' '-   b' '+   x'
becomes '  x|  y|  c|  d|' '- a' '+ x' '' '== too: is' 'Like: it-is' '- b' '+ y'
becomes '  a|  x|  y|  d|' '-   b' '-   c' '+   x' '+   y'
becomes '  a|  c|  d|' '- b'
becomes '  a|  c|' '- b' '' '- d'
becomes '  x|  c|  y|' '-   a' '-   b' '+   x' '- d' '+ y'
becomes '  x|  d|' '- a' '- ...' '- c' '+ x'
becomes '  y|  b|  c|  d|' '- a' '+ x' '- x' '+ y'
becomes '  a|  x|  y|  b|  z|  c|  d|' 'After: a' '+   x' '+   y' 'Before: c' '+   z'
complains 'nothing comes there:' 'After: b' '- c' '+ x'
complains 'this does not occur in file:' '- e' '+ x'
complains 'this occurs more than once in file:' '-  ' '+ x'
complains 'this changes nothing in file:' '- b' '+ b'
complains 'what is this? Lose: A02' 'Lose: A02' '- b' '+ x'
complains 'where does this come?' '+ x'
complains 'cannot read nowhere' "File: $here/nowhere" '- b' '+ x'
complains 'there is no it-not' 'Like: it-not'
complains 'there are two called so' '== is: again' '- b' '+ x'

sh tests/grade/mutant.sh check || failed=1
checks | sort >"$here/all"
losses >"$here/losses"
cut -d' ' -f1 "$here/losses" >"$here/named"
sed -n 's/^\([^ ]*\) [^?].*/\1/p' "$here/losses" >"$here/lost"
unknown=$(comm -13 "$here/all" "$here/named" | tr '\n' ' ')
spared=$(comm -23 "$here/all" "$here/lost" | tr '\n' ' ')
[ -z "$unknown" ] || { echo "mutants name checks that do not exist: $unknown" && failed=1; }
[ -z "$spared" ] || { echo "no wrong program loses these checks: $spared" && failed=1; }

mutants=$(sh tests/grade/mutant.sh list | awk -F'|' '$3 != ""' | wc -l)
[ "$failed" -ne 0 ] || echo $((mutants)) mutants can be made, $(($(wc -l <"$here/all"))) checks are lost
exit "$failed"
