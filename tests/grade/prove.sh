#!/bin/sh
# prove.sh — the grader is graded: every starter scores its baseline, every solution 100, and every
# mutant loses the checks that its patch names and no others.
#
# Usage: tests/grade/prove.sh BUILD MAKE all|quick [PATTERN [SHARE]]
#   A patch in tests/grade/mutants/ begins with lines
#     Program: exercise NAME     the patch is for tests/grade/solutions/NAME.cpp
#     Program: server NAME       the patch is for our own sources
#     Loses: A01 B02             these checks must not pass
#     May lose: C03              these may fail as well, by chance of timing
#     Quick: first               part of the quick run, which has room for four or five
#   PATTERN picks patches by file name. Patches must apply without fuzz. SHARE is a part of it all, as
#   in 2/4; several can go on at once.
#   The quick run asks each solution its first check only, and a few mutants the checks they lose:
#   enough to see that the machinery works, and too little to say that nothing else is lost.
# Ends with "N proved, N not", and with status 0 if all are proved.
set -u
build=$1
make=$2
extent=$3
pattern=${4:-}
share=${5:-1/1}
# shellcheck source=tests/grade/prove_parts.sh
. tests/grade/prove_parts.sh
here=$build/mutants/$$ # kept if something was not proved
mkdir -p "$here" || exit 1
proved=0
failed=0
jobs=6 # checks at a time for a server: they wait more than they work
# A copy, so that a build that goes on beside this does not take the grader away.
grade=$here/grade
cp "$build/grade" "$grade" || exit 1

say() { # name, outcome, details
  printf '%-44s %s %s\n' "$1" "$2" "$3"
  if [ "$2" = ok ]; then proved=$((proved + 1)); else failed=$((failed + 1)); fi
}

header() { sed -n "/^---/q;s/^$2: *//p" "$1"; }

lost_by() { sed -n 's/^lost *//p' "$1" | tail -n 1; }

# In the quick run, the option that leaves out all other checks. An exercise takes one check, and
# adds those that it builds on.
only() { # the ids that count
  [ "$extent" != quick ] || echo "--only $1"
}

first_check_of() { # exercise
  case $1 in
    chat_*) echo K01 ;;
    killing_test) echo V01 ;;
    *) echo A00 ;;
  esac
}

# Are all words of $1 among those of $2?
all_among() {
  for word in $1; do
    case " $2 " in *" $word "*) ;; *) return 1 ;; esac
  done
}

compare() { # name, log, must, may
  if ! grep -q '^lost' "$2"; then
    say "$1" FAIL "the grader did not end well, see $2"
    return
  fi
  lost=$(lost_by "$2")
  if ! all_among "$3" "$lost"; then
    say "$1" FAIL "must lose: $3; lost: $lost"
  elif ! all_among "$lost" "$3 $4"; then
    say "$1" FAIL "lost more than it should: $lost; should: $3"
  else
    say "$1" ok "$lost"
  fi
}

# A patch that names a check of a sanitizer is built with that sanitizer, too.
rebuild() { # name, exercise, source, checks
  rm -f "$here/$1.asan" "$here/$1.tsan"
  for check in $4; do
    case $check in
      Y01) sanitizer=asan ;;
      Y02) sanitizer=tsan ;;
      *) continue ;;
    esac
    $make -s --no-print-directory "given-$sanitizer" BUILD="$build" &&
      $make -s --no-print-directory "submission-$sanitizer" BUILD="$build" EX="$2" FROM="$3" \
        INTO="$here/$1" || return 1
  done
}

prove_exercise() { # name, patch, exercise
  source=$here/$1.cpp
  # shellcheck disable=SC2015 # any of them may fail
  cp "tests/grade/solutions/$3.cpp" "$source" &&
    patch -s -F0 "$source" "$2" >"$here/$1.log" 2>&1 &&
    $make -s --no-print-directory submission BUILD="$build" EX="$3" FROM="$source" \
      INTO="$here/$1" CXXFLAGS=-O1 >>"$here/$1.log" 2>&1 &&
    rebuild "$1" "$3" "$source" "$(header "$2" Loses)" >>"$here/$1.log" 2>&1 || {
    say "$1" FAIL "does not apply or compile, see $here/$1.log"
    return
  }
  loses=$(header "$2" Loses)
  [ "$extent" != quick ] || loses=${loses%% *}
  # shellcheck disable=SC2046 # two words or none
  "$grade" --build "$build" --program "$here/$1" --list-lost $(only "$loses") "$3" \
    >"$here/$1.log" 2>&1
  # Y01 and Y02 repeat what has passed, and are blocked if that is too little.
  compare "$1" "$here/$1.log" "$loses" "$(header "$2" 'May lose') Y01 Y02"
}

prove_server() { # name, patch, server
  # shellcheck disable=SC2015 # either may fail
  tests/grade/mutant.sh overlay "$2" "$here/$1.overlay" >"$here/$1.log" 2>&1 &&
    tests/grade/mutant.sh build "$build" "$make" "$3" "$here/$1.overlay" "$here/$1" \
      >>"$here/$1.log" 2>&1 || {
    say "$1" FAIL "does not apply or compile, see $here/$1.log"
    return
  }
  loses=$(header "$2" Loses)
  set -- "$@" --build "$build" --server "$3" --program "$here/$1" --list-lost --jobs "$jobs"
  [ "$extent" != quick ] || set -- "$@" --only "$loses"
  shift 3
  "$grade" "$@" >"$here/$name.log" 2>&1
  compare "$name" "$here/$name.log" "$loses" "$(header "$patch" 'May lose')"
}

prove_solution() { # exercise
  log=$here/solution-$1.log
  # shellcheck disable=SC2046 # two words or none
  "$grade" --build "$build" --program "$build/solutions/$1" --list-lost \
    $(only "$(first_check_of "$1")") "$1" >"$log" 2>&1
  skipped=$(not_asked "$log")
  if [ -n "$skipped" ]; then
    say "solution of $1" FAIL "has not been asked $skipped, see $log"
  else
    compare "solution of $1" "$log" '' ''
  fi
}

prove_starter() { # exercise
  log=$here/starter-$1.log
  "$grade" --build "$build" --program "$build/exercises/$1" "$1" >"$log" 2>&1
  score=$(sed -n 's/.*\] *\([0-9]*\) of 100$/\1/p' "$log")
  baseline=$("$grade" --baseline "$1")
  if [ "$score" = "$baseline" ]; then
    say "starter of $1" ok "$score points"
  else
    say "starter of $1" FAIL "scores $score instead of $baseline, see $log"
  fi
}

if [ -z "$pattern" ]; then
  for source in tests/grade/solutions/*.cpp; do
    exercise=$(basename "$source" .cpp)
    is_mine && prove_solution "$exercise"
    [ "$extent" != quick ] && is_mine && prove_starter "$exercise"
  done
fi

for patch in tests/grade/mutants/*"$pattern"*.patch; do
  name=$(basename "$patch" .patch)
  [ "$extent" = quick ] && [ "$(header "$patch" Quick)" != first ] && continue
  is_mine || continue
  # shellcheck disable=SC2046 # two words
  set -- $(header "$patch" Program)
  case $1 in
    exercise) prove_exercise "$name" "$patch" "$2" ;;
    server) prove_server "$name" "$patch" "$2" ;;
    *) say "$name" FAIL "has no line 'Program: exercise NAME' or 'Program: server NAME'" ;;
  esac
done

echo "$proved proved, $failed not"
[ "$failed" -eq 0 ] && rm -rf "$here"
