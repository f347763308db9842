#!/bin/sh
# mutant_table.sh — which wrong program loses which check, as tests/grade/mutants/ says. Nothing is
# built or run here: make prove-grader shows that it says the truth.
#
# Usage: sh tests/grade/mutant_table.sh table    a row for each mutant, a column for each check
#        sh tests/grade/mutant_table.sh check    can all be made, and is every check lost by one?
#   In the table: # the check is lost, + it may be lost as well.
# Status 1 if one cannot be made, or if a check is lost by nobody.
set -u
mutants=$(sh tests/grade/mutant.sh list)

# The ids of all checks in our tables, in their order.
checks() {
  sed -n 's/^    {\.id = "\([A-Z][0-9]*\)",$/\1/p' \
    tests/behaviour/checks_*.cpp tests/grade/checks_*.cpp
}

# "NAME ID" for every check that a mutant says it loses, "NAME +ID" for those that it may lose.
losses() {
  echo "$mutants" | awk -F'|' '{
    for (i = split($3, ids, " "); i > 0; i--) print $1, ids[i]
    for (i = split($4, ids, " "); i > 0; i--) print $1, "+" ids[i]
  }'
}

# Lines of the first sorted file that the second does not have.
not_in() { comm -23 "$1" "$2" | tr '\n' ' '; }

case ${1:-table} in
  check)
    sh tests/grade/mutant.sh check
    failed=$?
    here=$(mktemp -d "${TMPDIR:-/tmp}/mutants.XXXXXX") || exit 1
    trap 'rm -rf "$here"' EXIT
    checks | sort >"$here/all"
    losses | sed 's/.* +\{0,1\}//' | sort -u >"$here/named"
    losses | sed -n 's/.* \([^+]\)/\1/p' | sort -u >"$here/lost"
    unknown=$(not_in "$here/named" "$here/all")
    spared=$(not_in "$here/all" "$here/lost")
    [ -n "$unknown" ] && echo "mutants name checks that do not exist: $unknown" && failed=1
    [ -n "$spared" ] && echo "no wrong program loses these checks: $spared" && failed=1
    echo "$(losses | cut -d' ' -f1 | uniq | wc -l | tr -d ' ') mutants, $(wc -l <"$here/all" | tr -d ' ') checks"
    exit $failed
    ;;
  table)
    { checks && echo . && losses; } | awk '
      $1 == "." { in_losses = 1; next }
      !in_losses { order[++count] = $1; next }
      { id = $2; mark = "#" }
      id ~ /^\+/ { id = substr(id, 2); mark = "+" }
      !($1 in seen) { seen[$1] = 1; names[++rows] = $1 }
      { cell[$1, id] = mark; if (mark == "#") killers[id]++ }
      END {
        for (line = 1; line <= 3; line++) {
          printf "%-48s", ""
          for (i = 1; i <= count; i++) printf "%s", substr(order[i], line, 1)
          print ""
        }
        for (r = 1; r <= rows; r++) {
          printf "%-48s", names[r]
          for (i = 1; i <= count; i++)
            printf "%s", ((names[r], order[i]) in cell) ? cell[names[r], order[i]] : "."
          print ""
        }
        printf "\nmutants that lose it:\n"
        for (i = 1; i <= count; i++)
          printf "  %s %3d%s", order[i], killers[order[i]] + 0, i % 10 == 0 ? "\n" : ""
        printf "\n%d mutants, %d checks\n", rows, count
      }'
    ;;
  *)
    echo "mutant_table.sh: table or check, not '$1'" >&2
    exit 2
    ;;
esac
