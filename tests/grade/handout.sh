#!/bin/sh
# handout.sh — one archive for students: everything but solutions, mutants and golden submissions,
# and of the exercises only those that are asked for.
#
# Usage: tests/grade/handout.sh BUILD 'ALL EXERCISES' 'WANTED EXERCISES' ['HIDDEN FILES']
[ "${1:--h}" != -h ] || exec awk 'NR > 1 { if (!/^#/) exit; print substr($0, 3) }' "$0"
set -u
build=$1
all=$2
wanted=$3
name=two-ways-to-wait
list=$build/handout.list
for exercise in $wanted; do
  case " $all " in
    *" $exercise "*) ;;
    *) echo "handout: there is no exercise called $exercise" >&2 && exit 2 ;;
  esac
done

# Only what has been committed: what else lies here may be what a class has handed in, and in an
# exercise's folder what somebody has tried. The folders in tests/grade are the teacher's
# (class_run.cpp hides them, too).
: >"$list.changed"
committed=$(git ls-tree -r --name-only HEAD 2>/dev/null)
if [ -n "$committed" ]; then
  git diff --relative --name-only HEAD >"$list.changed"
  echo "$committed"
else # an unpacked handout, for example
  echo 'handout: no git here, so the files are packed as they are' >&2
  find .clang-format .clang-tidy .editorconfig .gitattributes .gitignore CONTRIBUTING.md Makefile README.md SECURITY.md \
    compile_flags.txt lessons.md blocking book common figures nonblocking select_poll tests -type f 2>/dev/null
fi |
  sort -u | grep -v -e '^tests/grade/.*/' -e '^tests/cross/' -e '^book/check/' -e '^\.ci/' -e '^\.github/' >"$list"
for exercise in $all; do
  case " $wanted " in
    *" $exercise "*)
      grep -q "/exercises/$exercise/" "$list" ||
        { echo "handout: $exercise has not been committed" >&2 && exit 1; }
      ;;
    *) grep -v "/exercises/$exercise/" "$list" >"$list.less" && mv "$list.less" "$list" ;;
  esac
done

hidden=${4:-}
for file in $hidden; do
  grep -v -x "$file" "$list" >"$list.less" && mv "$list.less" "$list"
done

# Through a directory of its own, because not every tar can put a prefix before the names.
room=$build/handout.room
rm -rf "$room"
mkdir -p "$room/$name" || exit 1
while IFS= read -r file; do
  mkdir -p "$room/$name/$(dirname "$file")" || exit 1
  if grep -q -x -F "$file" "$list.changed"; then
    echo "handout: $file has changes that are not committed; it is packed without them" >&2
    git show "HEAD:./$file" >"$room/$name/$file" || exit 1
  else
    cp -p "$file" "$room/$name/$file" || exit 1
  fi
done <"$list"
case " $wanted " in
  *" killing_test "*)
    sh tests/grade/wrong_server.sh pack "$build" "$room/$name/nonblocking/exercises/killing_test/wrong" \
      "$hidden" || exit 1
    ;;
esac
# What is hidden is not quoted either: a line stands in its place.
for file in $hidden; do
  awk -v file="$file" '
    index($0, "<!-- excerpt: " file " ") == 1 {
      print "*(This copy has no `" file "`, because it would give an exercise away.)*"
      fences = 2
    }
    fences == 0 { print }
    fences > 0 && /^```/ { fences-- }' "$room/$name/lessons.md" >"$list.lessons" &&
    mv "$list.lessons" "$room/$name/lessons.md" || exit 1
done
# The lessons' table marks what is not there, so that their check passes in the copy, too.
mark=$(cd "$(dirname "$build/check_lessons")" && pwd)/check_lessons
(cd "$room/$name" && "$mark" -r >/dev/null) || : # with HIDE=1 they point to what is not there
tar -C "$room" -czf "$build/$name.tar.gz" "$name" || exit 1
rm -rf "$room" "$list" "$list.changed"
echo "$build/$name.tar.gz: $(tar -tzf "$build/$name.tar.gz" | wc -l | tr -d ' ') files"
