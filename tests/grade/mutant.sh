#!/bin/sh
# mutant.sh — programs that are a few words away from others: solutions, the wrong ones in
# tests/grade/mutants/ and the right ones in tests/grade/correct/. changes.awk says how they are written.
#
# Usage: tests/grade/mutant.sh list [PATTERN]
#          a line for each whose name has PATTERN: name|program|loses|may lose|quick|wrong server
#        tests/grade/mutant.sh check
#          does every text that is to be changed stand where it should, and once?
#        tests/grade/mutant.sh solution EXERCISE
#          prints it whole
#        tests/grade/mutant.sh overlay NAME DIR
#          makes DIR hold the files that NAME changes, changed
#        tests/grade/mutant.sh build BUILD MAKE SERVER DIR INTO
#          makes the program INTO: SERVER with the files of DIR in the place of its own
[ "${1:--h}" != -h ] || exec awk 'NR > 1 { if (!/^#/) exit; print substr($0, 3) }' "$0"
set -eu

changes() { # mode, name, directory
  LC_ALL=C awk -f tests/grade/prove/changes.awk -v mode="$1" -v name="${2:-}" -v into="${3:-}" \
    tests/grade/solutions/*.txt tests/grade/mutants/*.txt tests/grade/correct/*.txt
}

case $1 in
  list) changes list | grep -- "^[^|]*${2:-}" ;;
  check) changes check ;;
  solution) cat "tests/grade/solutions/$2.cpp" 2>/dev/null || changes print "$2-solution" ;;
  overlay)
    rm -rf "$3"
    changes make "$2" "$3"
    ;;
  build)
    build=$2
    directory=$5
    # A changed header is seen by all sources that include it, whether or not they name it.
    sources=$(cd "$directory" && find . -name '*.?pp' | sed 's,^\./,,' | sort)
    for header in $(echo "$sources" | grep 'hpp$' || :); do
      seen_by=$(grep -l -F " $header" "$build"/objects/*/*.d || :)
      sources="$sources $(echo "$seen_by" | sed "s,^$build/objects/\(.*\)\.d$,\1.cpp,")"
    done
    # shellcheck disable=SC2086 # $3 may be make with options
    $3 -s --no-print-directory mutant BUILD="$build" SERVER="$4" OVERLAY="$directory" \
      CHANGED="$(echo "$sources" | tr '\n' ' ')" INTO="$6"
    ;;
  *)
    echo "mutant.sh: list, check, solution, overlay or build, not '$1'" >&2
    exit 2
    ;;
esac
