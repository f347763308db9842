#!/bin/sh
# prove.sh — the check is checked: it must see each of these changes to the book.
# Usage: book/check/prove.sh BOOK      by check.sh, which says where the browser is
set -eu
book=$1
seen=0
changed=$(mktemp -d "${TMPDIR:-/tmp}/two-ways-book.XXXXXX") || exit 1
trap 'rm -rf "$changed"' EXIT

# What sed does to which file, in which check, on which lesson's page, and the words that it must say.
must_see() {
  rm -rf "$changed/book"
  cp -r "$book" "$changed/book"
  find "$changed/book" -name 'lesson-*.html' ! -name "lesson-$4.html" -exec rm {} +
  sed -e "$2" "$book/$1" >"$changed/book/$1"
  if cmp -s "$book/$1" "$changed/book/$1"; then
    echo "prove: '$2' changes nothing in $1" >&2
    exit 1
  fi
  if ! node book/check/check.js "$changed/book" "$3" | grep -qF -- "$5"; then
    echo "prove: after '$2' in $1 the check does not say '$5'" >&2
    exit 1
  fi
  seen=$((seen + 1))
}

must_see lesson-3.html 's/data-file="common\/wait\.hpp" href="source\/common\/wait/&ing/' 'leads somewhere' 3 'a file source/common/waiting.hpp.html'
must_see figures.html 's/src="figures\/idle/&r/' 'leads somewhere' 0 'a file figures/idler.svg'
must_see lesson-2.html '/^<p>/{n;n;n;n;/^<p>/d;}' 'every lesson' 2 'I read lesson-2.html without scripts'
must_see lesson-5.html 's/data-question="5\.1" data-kind="choice" data-right="[AB]"/data-question="5.1" data-kind="choice" data-right="C"/; s/data-question="5\.2" data-kind="choice" data-right="[BC]"/data-question="5.2" data-kind="choice" data-right="A"/' 'each question' 5 'I answered 5.'
must_see lesson-1.html 's/>Search<\/button>/><\/button>/' 'audit' 1 'button-name'
must_see book.css 's/^\.covered \.output {.*//' 'prediction' 1 'its output covered'
must_see book.css "s/^\[data-shown='surface'\] .part:is.*/.none,/" 'altitude' 4 'I chose surface in lesson-4.html'
must_see lesson-6.html 's/data-last="\([0-9]*\)"/data-last="\10"/' 'excerpt' 6 'just these marked'
must_see book.js 's/^begin();/begin_it();/' 'leads somewhere' 0 'begin_it is not defined'
must_see book.css 's/^main, footer { width: min(100%, 42rem)/main, footer { width: 42rem/' 'sticks out' 1 'pixels more'
must_see playground.js 's/value: exact\[1\]/value: exact[1] + 1/' 'by keyboard' 0 'I typed 10000 clients'
echo "the check sees all of $seen changes that it must see"
