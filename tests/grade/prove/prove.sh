#!/bin/sh
# prove.sh — the grader is graded: every starter scores its baseline, every solution and every program
# in tests/grade/correct/ has all points, and every mutant loses the checks that it names and no others.
#
# Usage: tests/grade/prove/prove.sh BUILD MAKE all|quick|correct|exercise [PATTERN [SHARE]]
#   PATTERN picks what mutant.sh lists, by name. SHARE is a part of it all, as in 2/4: of every four
#   proofs the second, so that several machines can have a part each.
#   The quick run asks each solution its first check only, and a few mutants the checks they lose:
#   enough to see that the machinery works, and too little to say that nothing else is lost.
#   "correct" is what is in tests/grade/correct/ alone, and "exercise" the exercise called PATTERN: its
#   starter, its solution and its brief.
# Ends with "N proved, N not", and with status 0 if all are proved.
[ "${1:--h}" != -h ] || exec awk 'NR > 1 { if (!/^#/) exit; print substr($0, 3) }' "$0"
set -u
build=$1
make=$2
extent=$3
pattern=${4:-}
share=${5:-1/1}
if ! echo "$share" | grep -Eq '^[1-9][0-9]*/[1-9][0-9]*$' || [ "${share%/*}" -gt "${share#*/}" ]; then
  echo 'SHARE is a number and how many there are, as in SHARE=2/4' >&2
  exit 2
fi
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

turn=0
is_mine() {
  turn=$((turn + 1))
  [ $(((turn - ${share%/*}) % ${share#*/})) -eq 0 ]
}

lost_by() { sed -n 's/^lost *//p' "$1" | tail -n 1; }

first_check_of() { sed -n 's/^checks *= *\([A-Z0-9]*\):.*/\1/p' ./*/exercises/"$1"/exercise.mk; }

# Are all words of $1 among those of $2?
all_among() {
  for word in $1; do
    case " $2 " in *" $word "*) ;; *) return 1 ;; esac
  done
}

# A check of a sanitizer that was skipped, for want of a build, has not been shown to pass.
not_asked() { # log
  sed -n 's/^  \(Y[0-9]*\)  .* skipped  *0\/0$/\1/p' "$1" | tr '\n' ' '
}

compare() { # name, must, may
  log=$here/$1.log
  lost=$(lost_by "$log")
  skipped=$(not_asked "$log")
  if ! grep -q '^lost' "$log"; then
    say "$1" FAIL "the grader did not end well, see $log"
  elif ! all_among "$2" "$lost"; then
    say "$1" FAIL "must lose: $2; lost: $lost"
  elif ! all_among "$lost" "$2 $3"; then
    say "$1" FAIL "lost more than it should: $lost; should: $2"
  elif [ -z "$2" ] && [ -n "$skipped" ]; then
    say "$1" FAIL "has not been asked $skipped, see $log"
  else
    say "$1" ok "$lost"
  fi
}

# With which sanitizers a program is built again: those whose checks it loses, or all if it is right.
sanitizers_for() { # exercise, checks
  case $2 in '') "$build/grade" --rebuilds "$1" ;; esac
  case $2 in *Y01*) echo asan ;; esac
  case $2 in *Y02*) echo tsan ;; esac
}

compile() { # name, exercise, source, checks
  for target in submission $(sanitizers_for "$2" "$4" | sed 's/[a-z]*san/given-& submission-&/g'); do
    $make -s --no-print-directory "$target" BUILD="$build" EX="$2" FROM="$3" INTO="$here/$1" ||
      return 1
  done
}

prove_exercise() { # name, exercise, source, must, may
  compile "$1" "$2" "$3" "$4" >"$here/$1.log" 2>&1 || {
    say "$1" FAIL "does not compile, see $here/$1.log"
    return
  }
  # The quick run asks one check, and with it those that it builds on.
  if [ "$extent" = quick ]; then only=${4%% *}; else only=; fi
  "$grade" --build "$build" --program "$here/$1" --list-lost ${only:+--only "$only"} "$2" \
    >"$here/$1.log" 2>&1
  # Y01 and Y02 repeat what has passed, and are blocked if that is too little.
  compare "$1" "${only:-$4}" "$5${4:+ Y01 Y02}"
}

prove_server() { # name, server, changed files, must, may
  sh tests/grade/mutant.sh build "$build" "$make" "$2" "$3" "$here/$1" >"$here/$1.log" 2>&1 || {
    say "$1" FAIL "does not compile, see $here/$1.log"
    return
  }
  if [ "$extent" = quick ]; then only=$4; else only=; fi
  "$grade" --build "$build" --server "$2" --program "$here/$1" --list-lost --jobs "$jobs" \
    ${only:+--only "$only"} >"$here/$1.log" 2>&1
  compare "$1" "$4" "$5"
}

prove_solution() { # exercise
  if [ "$extent" = quick ]; then only=$(first_check_of "$1"); else only=; fi
  "$grade" --build "$build" --program "$build/solutions/$1" --list-lost ${only:+--only "$only"} \
    "$1" >"$here/solution-$1.log" 2>&1
  compare "solution-$1" '' ''
}

prove_starter() { # exercise
  log=$here/starter-$1.log
  "$grade" --build "$build" --program "$build/exercises/$1" "$1" >"$log" 2>&1
  score=$(sed -n 's/.*\] *\([0-9]*\) of 100$/\1/p' "$log")
  baseline=$("$grade" --baseline "$1")
  if [ "$score" = 100 ]; then
    say "starter-$1" FAIL 'has all the points: what is there to do?'
  elif [ "$score" = "$baseline" ]; then
    say "starter-$1" ok "$score points"
  else
    say "starter-$1" FAIL "scores $score instead of $baseline, see $log"
  fi
}

finish() {
  echo "$proved proved, $failed not"
  [ "$failed" -eq 0 ] && rm -rf "$here"
}

prove_brief() { # exercise
  row=$(grep "^| \[\`[a-z_]*/exercises/$1\`\]" lessons.md)
  brief=$(sed -n "/^### $1\$/,/^## /p" lessons.md | awk 'NR > 1 && /^##/ { exit } { print }')
  if [ -z "$row" ] || [ -z "$brief" ]; then
    say "brief-$1" FAIL 'lessons.md has no row for it, or no brief'
  elif echo "$row $brief" "$(head -n 3 ./*/exercises/"$1"/*.cpp)" | grep -q -F ' ...'; then
    say "brief-$1" FAIL 'has three dots where something should stand'
  else
    say "brief-$1" ok 'make check-lessons says whether it is true'
  fi
}

if [ "$extent" = exercise ]; then
  for what in solution starter brief; do "prove_$what" "$pattern"; done
  finish
  exit
fi
if [ -z "$pattern" ] && [ "$extent" != correct ]; then
  for source in tests/grade/solutions/*.*; do
    exercise=$(basename "${source%.*}")
    is_mine && prove_solution "$exercise"
    [ "$extent" != quick ] && is_mine && prove_starter "$exercise"
  done
fi

sh tests/grade/mutant.sh list "$pattern" >"$here/list"
while IFS='|' read -r name program must may quick _ <&3; do
  case $extent in
    quick) [ -n "$quick" ] || continue ;;
    correct) [ -z "$must" ] || continue ;;
  esac
  is_mine || continue
  changed=$here/$name.changed
  if ! sh tests/grade/mutant.sh overlay "$name" "$changed" >"$here/$name.log" 2>&1; then
    say "$name" FAIL "cannot be made, see $here/$name.log"
  elif [ "${program% *}" = server ]; then
    prove_server "$name" "${program#* }" "$changed" "$must" "$may"
  else
    program=${program#* }
    prove_exercise "$name" "$program" "$changed/tests/grade/solutions/$program.cpp" "$must" "$may"
  fi
done 3<"$here/list"

finish
