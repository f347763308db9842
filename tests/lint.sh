#!/bin/sh
# lint.sh — the form of the code: clang-format, clang-tidy, shellcheck.
# Usage: tests/lint.sh 'SOURCES' 'SCRIPTS'
# A tool that is not installed is named and passed over.
set -u
sources=$1
scripts=$2
status=0

has() {
  command -v "$1" >/dev/null && return
  echo "lint: $1 is not installed, so that part is left out (Debian: apt-get install $2)"
  return 1
}

# shellcheck disable=SC2086 # the lists are meant to be split
if has clang-format clang-format; then
  clang-format --dry-run --Werror $sources || status=1
fi
# shellcheck disable=SC2086
if has shellcheck shellcheck; then
  shellcheck $scripts || status=1
fi
if has clang-tidy clang-tidy; then
  for source in $sources; do
    case $source in
      *kqueue*) ;; # needs another system's headers
      tests/faults/*.cpp | *tests/grade/solutions/*.cpp) echo "$source" ;;
      tests/*) ;; # the compilers' own warnings are enough for the other tests
      *.cpp) echo "$source" ;;
    esac
  done | xargs -P 2 -n 4 sh -c \
    'clang-tidy --quiet --warnings-as-errors="*" "$@" -- -std=c++20 -I. 2>/dev/null' tidy || status=1
fi
[ "$status" -eq 0 ] && echo "lint: nothing to say"
exit "$status"
