#!/bin/sh
# check.sh — is the book right, in a real browser? And would the check see it if it were not?
# Usage: book/check/check.sh BOOK [PART-OF-A-TITLE]      from the project's root, by `make check-book`
# In the environment: CHROMIUM, the browser; QUIZ, the terminal's quiz. What drives the browser comes from
# npm, once, pinned by package-lock.json. Exit status: 0, 1 if the book is wrong, 2 if npm is missing.
set -eu
here=book/check
tools=$here/node_modules
if ! cmp -s "$here/package-lock.json" "$tools/installed-lock.json"; then
  command -v npm >/dev/null || { echo 'check-book needs npm once (Debian: apt-get install npm)' >&2; exit 2; }
  npm ci --prefix "$here" --ignore-scripts --no-audit --no-fund --loglevel=error
  cp "$here/package-lock.json" "$tools/installed-lock.json"
fi
node "$here/check.js" "$@"
[ -n "${2-}" ] || sh "$here/prove.sh" "$1"
