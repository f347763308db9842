#!/bin/sh
# build.sh — makes the book of lessons.md and the sources.
# Usage: book/build.sh OUT
# Leaves in OUT a folder that any browser opens and any static host serves.
set -eu
out=$1

rm -rf "$out"
mkdir -p "$out/figures"
cp book/book.css book/book.js "$out"
cp figures/*.svg "$out/figures"
[ ! -e book/playground.js ] || cp book/playground.js "$out"

# The lessons, and two shares of the sources: they need nothing of each other, and are made at the
# same time.
make_part() { pandoc -f gfm -t html --lua-filter=book/book.lua -M out="$out" -M part="$1" lessons.md >/dev/null; }
make_part 1 &
first=$!
make_part 2 &
second=$!
make_part lessons
wait "$first"
wait "$second"
{ echo 'var SOURCES = {' && cat "$out"/sources.js.? && echo '};'; } >"$out/sources.js"
rm "$out"/sources.js.?
