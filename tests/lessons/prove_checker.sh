#!/bin/sh
# prove_checker.sh — the checker is checked: it must see each of these changes to lessons.md.
# Usage: tests/lessons/prove_checker.sh BUILD
# shellcheck disable=SC2016 # the backquotes are Markdown
set -eu
build=$1
seen=0
changed=$(mktemp "${TMPDIR:-/tmp}/two-ways-lessons.XXXXXX") || exit 1
trap 'rm -f "$changed"' EXIT

# What sed does to the text, and the words that the checker must find for it.
must_see() {
  sed -e "$1" lessons.md >"$changed"
  if cmp -s lessons.md "$changed"; then
    echo "prove_checker: '$1' changes nothing" >&2
    exit 1
  fi
  if ! "$build/check_lessons" -n -f "$changed" | grep -qF -- "$2"; then
    echo "prove_checker: after '$1' the checker does not say '$2'" >&2
    exit 1
  fi
  seen=$((seen + 1))
}

must_see 's/^\*\*Quiz 5\.2\.\*\*/**Quiz 5.7.**/' 'question 5.7 should be number 5.2'
must_see 's/^- B: \*\*Right\.\*\* It is off the run queue/- B: **No.** It is/; s/^- False: \*\*Right\.\*\* It is off/- False: **No.** It is off/' 'needs exactly one right answer'
must_see 's/^- A: \*\*No\.\*\* That is level-triggered\.$/- A: **No.** No./' 'does not say why for A'
must_see 's/^<details><summary>Answer<\/summary>$/Answer/' 'has no folded answer'
must_see 's/^\*\*B, D, C, A\.\*\*/**A, B, C, D.**/' 'shows its choices in the right order already'
must_see 's/std::optional<Wait> Conversation::ask_backend() {" -->/std::optional<Wait> Conversation::ask_nobody() {" -->/' 'an excerpt needs one'
must_see 's/^  acceptor_\.close();$/  acceptor_.close_it();/' 'out of date'
must_see 's/<!---->/0<!---->/' 'out of date'
must_see 's/^| 10,000 | – | /&9/' 'out of date'
must_see 's/<!--2-->//' 'are not in the text'
must_see 's/^rows: watched_or_ready=1 |/rows:/' 'the mark names too few rows'
must_see 's/^With one busy client .*$/<!--1-->0.98<!---->/' 'more marks than text'
must_see 's/(#out-of-descriptors)/(#out-of-everything)/' 'there is no place #out-of-everything'
must_see 's/(figures\/idle\.svg)/(figures\/idol.svg)/' 'there is no file figures/idol.svg'
must_see 's/^<!-- compare: select_poll.poll_loop/&s/' 'there is no file select_poll/poll_loops.cpp'
must_see 's/^<!-- about: two-queues/&-and-more/' 'there is no place #two-queues-and-more'
must_see 's/^<!-- excerpt: tests\/lessons\/wrong\/accept_spins.*$//' 'accept_spins.cpp is quoted nowhere'
must_see 's/^\[`common\/wait\.hpp`, line [0-9]*\].*$//' 'this code is no excerpt'
must_see 's/^\*\*What\.\*\* Your file is/**What.** Your file was/' 'is not this brief'
# Of the exercises a handout may have only some. (build/ has a folder exercises, too.)
for folder in blocking/exercises/*/ select_poll/exercises/*/ nonblocking/exercises/*/; do
  [ -d "$folder" ] || continue
  exercise=$(basename "$folder")
  must_see "s/^### $exercise\$/### anonymous/" "the exercise $exercise has no brief"
done
must_see '/^\$ kill %1$/s/$/ # that is it/' 'pasted into zsh, this is another command'
must_see 's/^\$ kill %1$/& ?/' 'pasted into zsh, this is another command'
echo "the checker sees all of $seen changes that it must see"
