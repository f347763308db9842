#!/bin/sh
# golden.sh — a class of bad submissions, and two good ones, through the grader. None gets a point
# that it did not earn, none keeps the others from being graded, and none leaves anything behind.
#
# Usage: tests/grade/golden.sh BUILD [SUBMISSION...]    only these of tests/grade/golden
set -u
build=$1
shift
class=$build/golden-class
results=$build/golden
rm -rf "$class" "$results"
mkdir -p "$class" || exit 1
only=" $* "
for submission in tests/grade/golden/*/; do
  name=$(basename "$submission")
  [ $# -eq 0 ] || [ "${only#* "$name" }" != "$only" ] || continue
  mkdir "$class/$name" && cp "$submission"* "$class/$name/" || exit 1
done
if [ $# -eq 0 ]; then
  mkdir "$class/solution" "$class/starter" "$class/link" || exit 1
  ln -s ../solution/find_the_bugs.cpp "$class/link/find_the_bugs.cpp"
  cp tests/grade/solutions/find_the_bugs.cpp "$class/solution/"
  cp select_poll/exercises/find_the_bugs/find_the_bugs.cpp "$class/starter/"
fi

rm -f /tmp/golden-secret-was-seen
GOLDEN_SECRET=1 "$build/grade" class "$class" --out "$results" --build "$build" -j 2 || exit 1
sed 1d "$results/summary.csv" | sed 's/"//g' | awk -F, '{print $1, $2, $3}' | LC_ALL=C sort \
  >"$results/seen.txt"
while read -r name expected; do
  [ -d "$class/$name" ] && echo "$name $expected"
done <tests/grade/golden/expected.txt >"$results/expected.txt"
diff "$results/expected.txt" "$results/seen.txt" || exit 1
if [ -e "$results/own-makefile-was-used" ]; then
  echo "a makefile of a student has been run"
  exit 1
fi
if [ -e /tmp/golden-secret-was-seen ]; then
  echo "the teacher's environment has been seen"
  exit 1
fi
if ! command -v pgrep >/dev/null; then
  echo 'golden: pgrep is not installed, so nobody looks for processes that have escaped'
elif pgrep -f '^sleep 777$' >/dev/null; then
  echo 'a process has escaped'
  exit 1
fi
echo "all $(wc -l <"$results/seen.txt" | tr -d ' ') golden submissions have the score they should have"
