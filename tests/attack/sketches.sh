#!/bin/sh
# sketches.sh — do the attacks that a sketch names in its first lines end or stall it, and no others?
# And does each of its worked answers, in answers.txt, survive the attack that it is called by? What is
# not as it should be is tried again, twice and for longer: the machine may have been busy.
#
# Usage: tests/attack/sketches.sh BUILD MAKE ATTACK 'SKETCHES'    run by `make check-sketches`
#   ATTACK is the program that attacks; the sketches are in BUILD. Without MAKE, '', no answers.
set -u
build=$1
make=$2
attacker=$3
sketches=$4
answers=tests/attack/answers.txt
changes=tests/grade/prove/changes.awk

# What it says of itself, a line for each attack: "resets died".
claims() {
  sed -n -e 's,^// Ends it:,died,p' -e 's,^// Stalls it:,stalled,p' ./*/"$1.cpp" |
    awk '{ for (i = 2; i <= NF; i++) print $i, $1 }' | sort
}

# What becomes of it, in the same form: fates SKETCH SECONDS [ATTACK]
fates() {
  "$attacker" -t "$2" ${3:+-o "$3"} "$build/$1" >"$here/$1.log" 2>&1
  awk '/^stood/ { exit } NF == 2 && $2 != "ok" { print $1, $2 }' "$here/$1.log" | sort
}

try_sketch() {
  claims "$1" >"$here/$1.claims"
  fates "$1" 1 >"$here/$1.fates"
  grep -q '^stood .* of ' "$here/$1.log" || { cat "$here/$1.log" && return 1; }
  right=yes
  for attack in $(comm -3 "$here/$1.claims" "$here/$1.fates" | awk '{ print $1 }' | sort -u); do
    said=$(grep "^$attack " "$here/$1.claims")
    for seconds in 3 6; do
      [ "$(fates "$1" $seconds "$attack")" != "$said" ] || continue 2
    done
    right=no
    echo "$1: its first lines say '${said:-$attack ok}', and so it was:"
    sed '1,2d' "$here/$1.log"
  done
  [ $right = yes ] &&
    echo "$1: $(wc -l <"$here/$1.claims" | tr -d ' ') attacks end or stall it, and it says which"
}

try_answer() {
  sketch=${1%%-*}
  attack=${1#*-}
  claims "$sketch" | grep -q "^$attack " || { echo "$1: $attack needs no answer" && return 1; }
  LC_ALL=C awk -f $changes -v mode=make -v name="$1" -v into="$here/$1" $answers || return 1
  for try in 1 2 3; do
    "$make" -s --no-print-directory BUILD="$build" attack FILE="$(echo "$here/$1"/*/*.cpp)" \
      ONLY="$attack" >"$here/$1.log" 2>&1 && echo "$1: survives" && return
  done
  echo "$1: does not survive, in $try tries:"
  cat "$here/$1.log"
  return 1
}

if [ -n "${5:-}" ]; then # one of the lanes below
  here=$5
  case $6 in
    *-*) try_answer "$6" ;;
    *) try_sketch "$6" ;;
  esac
  exit
fi
here=$(mktemp -d "${TMPDIR:-/tmp}/two-ways-sketches.XXXXXX") || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 130' INT TERM
for sketch in $sketches; do
  echo "$sketch"
  [ -z "$make" ] || LC_ALL=C awk -f $changes -v mode=list $answers | sed -n "s/^\($sketch-[^|]*\).*/\1/p"
done >"$here/all"
# Mostly they wait.
xargs -P 4 -n 1 sh "$0" "$build" "$make" "$attacker" "$sketches" "$here" <"$here/all"
