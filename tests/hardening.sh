#!/bin/sh
# hardening.sh — are the programs built as SECURITY.md says? It looks at what the linker has made.
# Usage: tests/hardening.sh BUILD 'PROGRAMS' [FORTIFY]
#   FORTIFY: the flags that ask for fortified calls; empty if this build has none, as with -O0.
# Ends with the counts as doctest says them, for run.sh, and with status 0 if nothing is missing.
set -u
build=$1
programs=$2
fortify=${3-}

leave_out() {
  echo "skipped: hardening: $1"
  echo 'test cases: 0 | 0 passed | 0 failed'
  exit 0
}
[ "$(uname -s)" = Linux ] || leave_out "only Linux's flags are known here"
command -v readelf >/dev/null || leave_out 'readelf is not installed (Debian: apt-get install binutils)'
if [ -z "$fortify" ]; then
  echo 'note: hardening: fortified calls are not asked for: not optimised, or sanitizers look closer'
elif ! getconf GNU_LIBC_VERSION >/dev/null 2>&1; then
  echo 'note: hardening: fortified calls are not looked for: they are those of the GNU C library'
  fortify=
fi

# found NAME TEXT PATTERN — does the program's description say so?
found() {
  if printf '%s\n' "$2" | grep -Eq "$3"; then
    words="$words  $1"
  else
    missing="$missing $1"
  fi
}

# Of clang, the GNU C library before 2.40 gets few of its fortified calls.
if readelf -p .comment "$build/${programs%% *}" 2>/dev/null | grep -q clang && [ -n "$fortify" ]; then
  echo 'note: hardening: fortified calls are not insisted on: clang makes few of them'
  fortify=
fi

passed=0
failed=0
for program in $programs; do
  words=
  missing=
  parts=$(readelf -W -h -l -d "$build/$program" 2>&1)
  symbols=$(readelf -W --dyn-syms "$build/$program" 2>&1)
  found PIE "$parts" '^ *Type: +DYN'
  found RELRO "$parts" 'GNU_RELRO'
  found BIND_NOW "$parts" 'BIND_NOW'
  found no-exec-stack "$parts" 'GNU_STACK .* RW '
  found canary "$symbols" ' __stack_chk_fail(@|$)'
  fortified=$(printf '%s\n' "$symbols" | sed -n 's/.* __\([a-z]*\)_chk@.*/\1/p' | sort -u | tr '\n' ' ')
  [ -z "$fortify" ] || [ -n "$fortified" ] || missing="$missing fortified"
  if [ -z "$missing" ]; then
    passed=$((passed + 1))
    printf '%-22s%s%s\n' "$program" "$words" "${fortified:+  fortified: $fortified}"
  else
    failed=$((failed + 1))
    printf '%-22s%s\n' "$program" "MISSING:$missing"
  fi
done
echo "test cases: $((passed + failed)) | $passed passed | $failed failed"
[ "$failed" -eq 0 ]
