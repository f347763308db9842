#!/bin/sh
# lint.sh — the form of the code: clang-format, clang-tidy, shellcheck; and what node, where it is,
# says of the book's scripts.
# Usage: tests/lint.sh 'SOURCES' 'SCRIPTS' 'PAGE_SCRIPTS'
set -u
sources=$1
scripts=$2
page_scripts=$3
status=0

# shellcheck disable=SC2086 # the lists are meant to be split
clang-format --dry-run --Werror $sources || status=1
# shellcheck disable=SC2086
shellcheck $scripts || status=1
for script in $page_scripts; do
  ! command -v node >/dev/null || node --check "$script" || status=1
done
# What clang-tidy says on stderr is the count of what it left out, unless it has failed.
# shellcheck disable=SC2016 # it is the inner shell that expands
for source in $sources; do
  case $source in
    *kqueue*) ;; # needs another system's headers
    tests/faults/*.cpp | *tests/grade/solutions/*.cpp) echo "$source" ;;
    tests/*) ;; # the compilers' own warnings are enough for the other tests
    *.cpp) echo "$source" ;;
  esac
done | xargs -P 2 -n 4 sh -c '
  said=$(clang-tidy --quiet --warnings-as-errors="*" "$@" -- -std=c++20 -I. 2>&1) && exit
  printf "%s\n" "$said"
  exit 1' tidy || status=1
[ "$status" -eq 0 ] && echo "lint: nothing to say"
exit "$status"
