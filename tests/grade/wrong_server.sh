#!/bin/sh
# wrong_server.sh — the servers of killing_test. The wrong ones are the mutants with a line
# "Wrong server: NUMBER", and the right ones are built in the same way, so that neither can be told
# by its size or its symbols (who compares the bytes can tell). A handout has no mutants; there the
# changed files lie packed beside the exercise, written so that nobody reads the bug by accident.
# Whoever wants to unpack them can.
#
# Usage: tests/grade/wrong_server.sh BUILD MAKE NUMBER     makes BUILD/wrong/NUMBER
#        tests/grade/wrong_server.sh BUILD MAKE NAME       makes BUILD/right/NAME, of our sources
#        tests/grade/wrong_server.sh pack BUILD DIR [HIDDEN FILES]
#          packs all of them, as DIR/NUMBER, each with what it needs of the hidden files
[ "${1:--h}" != -h ] || exec awk 'NR > 1 { if (!/^#/) exit; print substr($0, 3) }' "$0"
set -eu
packed=nonblocking/exercises/killing_test/wrong

# Every printable character turned into another; a second time turns it back.
turn() { LC_ALL=C tr '!-~' 'P-~!-O'; }

overlay_of() { # number, directory
  if [ -f "$packed/$1" ]; then
    rm -rf "$2"
    mkdir -p "$2"
    turn <"$packed/$1" | gzip -dc | tar -C "$2" -xf -
    return
  fi
  mutant=$(sh tests/grade/mutant.sh list | grep "|$1\$")
  sh tests/grade/mutant.sh overlay "${mutant%%|*}" "$2"
  echo "$mutant" | sed 's/^[^|]*|server \([^|]*\).*/\1/' >"$2/server"
}

if [ "$1" = pack ]; then
  [ -d tests/grade/mutants ] || exit 0 # a handout of a handout: they are packed already
  mkdir -p "$3"
  sed -n 's/^Wrong server: //p' tests/grade/mutants/*.txt | while IFS= read -r number; do
    overlay_of "$number" "$2/packing"
    for file in ${4:-}; do
      [ "$(basename "$file" .cpp)" = "$(cat "$2/packing/server")" ] || continue
      [ -f "$2/packing/$file" ] && continue # changed, and there already
      mkdir -p "$2/packing/$(dirname "$file")" && cp "$file" "$2/packing/$file"
    done
    tar -C "$2/packing" -cf - . | gzip -9n | turn >"$3/$number"
    rm -rf "$2/packing"
  done
else
  case $3 in
    *[!0-9]*)
      into=$1/right/$3
      source=$(ls ./*/"$3.cpp")
      mkdir -p "$into.work/$(dirname "$source")"
      cp "$source" "$into.work/$source"
      echo "$3" >"$into.work/server"
      ;;
    *)
      into=$1/wrong/$3
      overlay_of "$3" "$into.work"
      ;;
  esac
  sh tests/grade/mutant.sh build "$1" "$2" "$(cat "$into.work/server")" "$into.work" "$into.new"
  strip "$into.new"
  rm -rf "$into.work" # it would say what is wrong
  mv "$into.new" "$into"
fi
