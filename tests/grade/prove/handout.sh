#!/bin/sh
# handout.sh — a teacher who has tried an exercise first does not hand the solution out.
#
# Usage: tests/grade/prove/handout.sh BUILD
[ "${1:--h}" != -h ] || exec awk 'NR > 1 { if (!/^#/) exit; print substr($0, 3) }' "$0"
set -u
build=$(cd "$1" && pwd)
git rev-parse -q --verify HEAD >/dev/null 2>&1 || {
  echo 'skipped: prove-handout: this is no git working copy'
  exit 0
}
here=$(mktemp -d "${TMPDIR:-/tmp}/handout.XXXXXX") || exit 1
trap 'rm -rf "$here"' EXIT
git clone -q . "$here/copy" && mkdir "$here/build" && cp "$build/check_lessons" "$here/build/" || exit 1
# The scripts as they are here: they need not be committed.
cp tests/grade/handout.sh "$here/copy/tests/grade/handout.sh"
cd "$here/copy" || exit 1
file=select_poll/exercises/find_the_bugs/find_the_bugs.cpp
cp "$file" "$here/starter"
echo '// tried' >>"$file"
echo '// not committed' >select_poll/exercises/find_the_bugs/notes.cpp
sh tests/grade/handout.sh "$here/build" 'find_the_bugs timeouts' find_the_bugs '' >"$here/said" 2>&1
tar -C "$here" -xzf "$here/build/two-ways-to-wait.tar.gz" || exit 1
packed=$here/two-ways-to-wait
if ! cmp "$here/starter" "$packed/$file" || ! grep "$file has changes" "$here/said" ||
  [ -e "$packed/select_poll/exercises/find_the_bugs/notes.cpp" ] ||
  [ -e "$packed/select_poll/exercises/timeouts" ]; then
  echo 'what is packed is not what has been committed'
  exit 1
fi
