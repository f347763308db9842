#!/bin/sh
# golden.sh — a class of bad submissions, and two good ones, through the grader. None gets a point
# that it did not earn, none keeps the others from being graded, and none leaves anything behind.
#
# Usage: tests/grade/prove/golden.sh BUILD [SUBMISSION...]    only these of tests/grade/golden
[ "${1:--h}" != -h ] || exec awk 'NR > 1 { if (!/^#/) exit; print substr($0, 3) }' "$0"
set -u
build=$1
shift
class=$build/golden-class
results=$build/golden
rm -rf "$class" "$results"
mkdir -p "$class" || exit 1
only=" $* "
# What this system allows is said for a class of nobody, too, before anybody can do harm.
"$build/grade" class "$class" --out "$results" --build "$build" >"$class.log" || exit 1
holds() { # what the grader has said
  grep -q "$1" "$class.log"
}
refuse() { # why
  echo "$1"
  exit 1
}
for submission in tests/grade/golden/*/; do
  name=$(basename "$submission")
  [ $# -eq 0 ] || [ "${only#* "$name" }" != "$only" ] || continue
  if [ "$name" = kills_everybody ] && ! holds 'reaches no processes but its own'; then
    echo 'skipped: golden, kills_everybody: nothing here would keep it from killing all of us'
    continue
  fi
  mkdir "$class/$name" || exit 1
  for file in "$submission"*; do # @BUILD@ is where we are, for those that know it
    sed "s,@BUILD@,$(cd "$build" && pwd),g" "$file" >"$class/$name/$(basename "$file")" || exit 1
  done
done
if [ $# -eq 0 ]; then
  mkdir "$class/solution" "$class/starter" "$class/link" "$class/copies_server" || exit 1
  ln -s ../solution/find_the_bugs.cpp "$class/link/find_the_bugs.cpp"
  solution=$build/objects/tests/grade/solutions/find_the_bugs.cpp
  cp "$solution" "$class/solution/"
  mkdir -p "$build/mutants/golden" && # where the proofs leave such things
    cp "$solution" "$build/mutants/golden/solution.cpp" || exit 1
  trap 'rm -rf "$build/mutants/golden"' EXIT
  cp select_poll/exercises/find_the_bugs/find_the_bugs.cpp "$class/starter/"
  cp select_poll/poll_loop.cpp "$class/copies_server/find_the_bugs.cpp"
fi

rm -f "$build/golden-secret" "$build/written-by-a-submission" "$build/../written-by-a-submission" \
  /tmp/golden-was-here /var/tmp/golden-was-here /dev/shm/golden-was-here /run/lock/golden-was-here
secret="golden: the teacher's"
(umask 077 && echo "$secret" >"$build/golden-secret")
# As on hardened machines: nothing can be started from /tmp. Not if this lies in it.
case $(pwd -P)/ in
  /tmp/*) ;;
  *) unshare -m mount -t tmpfs -o noexec none /tmp 2>/dev/null && hardened='mount -t tmpfs -o noexec none /tmp &&' ;;
esac
{
  GOLDEN_SECRET="$secret" ${hardened:+unshare -m} sh -c "${hardened:-} exec \"\$@\"" sh "$build/grade" class "$class" --out "$results" --build "$build" -j 2
  echo $? >"$class.status"
} | tee "$class.log"
# Where nothing keeps them from it, one of them kills what grades it, and one locks its folders.
status=0
killed=no
if ! holds 'runs as user'; then
  [ ! -d "$class/kills_grader" ] || ! holds 'can KILL' || killed=yes
  [ ! -d "$class/mutilates_folder" ] || ! holds 'able to READ' || status=2
fi
[ $killed = no ] || status=2
[ "$(cat "$class.status")" = $status ] ||
  refuse "the class run has ended with $(cat "$class.status"), not $status"
[ $killed = no ] || grep -q '^"kills_grader",find_the_bugs,0,100,killed,' "$results/summary.csv" ||
  refuse 'who has killed its grader is not called so in summary.csv'
sed 1d "$results/summary.csv" | sed 's/"//g' | awk -F, '{print $1, $2, $3}' | LC_ALL=C sort \
  >"$results/seen.txt"
for submission in "$class"/*/; do # most have nothing
  name=$(basename "$submission")
  grep "^$name " tests/grade/golden/expected.txt || echo "$name find_the_bugs 0"
done | LC_ALL=C sort >"$results/expected.txt"
if holds 'able to READ'; then
  echo 'skipped: golden, runs_*: nothing can be hidden here, so who looks for it may have points'
  for list in expected seen; do
    grep -v '^runs_' "$results/$list.txt" >"$results/less.txt"
    mv "$results/less.txt" "$results/$list.txt"
  done
elif [ -e "$results/was-written" ]; then
  refuse 'a submission has written to the results'
elif [ -e "$build/written-by-a-submission" ] || [ -e "$build/../written-by-a-submission" ]; then
  refuse 'a submission has changed the project'
fi
diff "$results/expected.txt" "$results/seen.txt" || exit 1
# What does not compile does no harm, and so it shows nothing, unless that is what it is here for.
stale=$(sed -n 's/^"\([a-z0-9_]*\)",.*"It does not compile.*/\1/p' "$results/summary.csv" |
  grep -v -e '^includes_' -e '^embeds_secret$' -e '^empty$' -e '^syntax_error$')
[ -z "$stale" ] || refuse "does not compile any more: $stale"
said='"problem": "It does not compile:\nfind_the_bugs.cpp:'
[ ! -d "$class/syntax_error" ] || grep -q -F "$said" "$results/syntax_error.find_the_bugs.json" ||
  refuse "what the compiler says does not begin with the name of the student's file"
[ ! -e "$results/own-makefile-was-used" ] || refuse 'a makefile of a student has been run'
rm -f "$build/golden-secret"
# Who is no other user may read what the teacher may.
if holds 'runs as user' && grep -r "$secret" "$results"; then
  refuse "a submission has seen what only the teacher may: a file, the environment, another's words"
fi
if ! holds 'able to READ' && ls -d /tmp/golden-was-here /*/*/golden-was-here 2>/dev/null; then
  refuse 'what a submission has written has outlived it'
fi
if ! command -v pgrep >/dev/null; then
  echo 'skipped: golden, escaped processes: pgrep is not installed (Debian: apt-get install procps)'
elif pgrep -f '^sleep 777$' >/dev/null; then
  refuse 'a process has escaped'
fi
echo "all $(wc -l <"$results/seen.txt" | tr -d ' ') golden submissions have the score they should have"
