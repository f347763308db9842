#!/bin/sh
# mutant.sh — one of our servers with some of its files changed.
#
# Usage: tests/grade/mutant.sh overlay PATCH DIR
#          makes DIR hold the files that PATCH changes, changed
#        tests/grade/mutant.sh build BUILD MAKE SERVER DIR INTO
#          makes the program INTO: SERVER with the files of DIR in the place of its own
set -eu
case $1 in
  overlay)
    rm -rf "$3"
    sed -n 's,^+++ b/,,p' "$2" | cut -f1 | while IFS= read -r file; do
      mkdir -p "$3/$(dirname "$file")"
      cp "$file" "$3/$file"
    done
    patch -s -F0 -p1 -d "$3" <"$2"
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
    echo "mutant.sh: overlay or build, not '$1'" >&2
    exit 2
    ;;
esac
