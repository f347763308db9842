#!/bin/sh
# prove.sh — the check is checked: it must see each of these changes to the book.
# Usage: book/check/prove.sh BOOK      from the project's root, by check.sh
set -eu
book=$1
seen=0
changed=$(mktemp -d "${TMPDIR:-/tmp}/two-ways-book.XXXXXX") || exit 1
trap 'rm -rf "$changed"' EXIT
fail() { echo "prove: $*" >&2; exit 1; }

# A copy; of its pages only that of one lesson and the first, if a lesson is given.
copy() {
  rm -rf "$changed/book"
  cp -r "$book" "$changed/book"
  [ $# -eq 0 ] || find "$changed/book" -name '*.html' ! -name index.html ! -name "lesson-$1.html" -exec rm {} +
}
change() { # file, what sed does to it
  sed -e "$2" "$book/$1" >"$changed/book/$1"
  ! cmp -s "$book/$1" "$changed/book/$1" || fail "'$2' changes nothing in $1"
}
must_say() { # the check, and what it must say
  said=$(node book/check/check.js "$changed/book" "$1") || :
  shift
  for words in "$@"; do
    case $said in *"$words"*) ;; *) fail "the check does not say '$words', but: $said" ;; esac
    seen=$((seen + 1))
  done
}

copy
change lesson-3.html 's/href="words\.html"/href="wordz.html"/'
change figures.html 's/src="figures\/idle/&r/'
change book.js 's/^begin();/begin_it();/'
must_say 'leads somewhere' 'a file wordz.html' 'a file figures/idler.svg' 'begin_it is not defined'

copy 2
change lesson-2.html '/^<p>It /d'
must_say 'of every lesson' 'I read lesson-2.html without scripts'

copy 5
change lesson-5.html 's/\(data-kind="true" data-right="\)False/\1True/'
change book.css "s/^\.covered \.output {.*//; s/^\[data-shown='surface'\] \.part:is.*/.none,/"
must_say 'each question' 'I answered 5.'
must_say 'prediction' 'I came to lesson-5.html.'
must_say 'altitude' 'I chose surface in lesson-5.html'

copy 6
change lesson-6.html 's/>Search<\/button>/><\/button>/'
change book.css 's/width: min(100%, [0-9]*rem); margin: 0 auto/width: 60rem; margin: 0 auto/; s/--soft: #5a626b/--soft: #b0b0b0/'
change book.js 's/lines\.slice(first - 1, last)/lines.slice(first, last)/'
must_say 'audit' 'button-name' 'color-contrast'
must_say 'sticks out' 'pixels more'
must_say 'excerpt' 'just these marked'

copy
change playground.js 's/value: exact\[1\]/value: exact[1] + 1/'
must_say 'by keyboard' 'I typed 10000 clients'
echo "the check sees all of $seen changes that it must see"
