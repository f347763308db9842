#!/bin/sh
# check_build.sh — does make build what its flags say, and nothing twice? It is asked with a compiler
# that compiles nothing, and notes how it was called. Run by `make test`.
# Usage: tests/check_build.sh [MAKE]
set -eu
make=${1:-make}
here=$(mktemp -d "${TMPDIR:-/tmp}/two-ways-build.XXXXXX") || exit 1
trap 'rm -rf "$here"' EXIT
unset MAKEFLAGS MFLAGS STRICT CXXFLAGS LDLIBS QUEUE # of the make that runs this
cat >"$here/compiler" <<'END'
case " $* " in *' -o '*) ;; *) exit ;; esac # is doctest there?
echo "$@" >>"${0%/*}/calls"
while [ "$1" != -o ]; do shift; done
: >"$2"
END

run_make() {
  : >"$here/calls"
  "$make" -s CXX="sh $here/compiler" BUILD="$here/build" "$@" >"$here/said" 2>&1
}

fail() {
  echo "check-build: $1; the compiler was called so:" >&2
  cat "$here/calls" "$here/said" >&2
  exit 1
}
calls() { grep -c -- "${1-}" "$here/calls" || :; }

# expect CALLS WORDS [VARIABLE]... — so many calls of the compiler, all with these words.
expect() {
  wanted=$1
  words=$2
  shift 2
  run_make "$@" all || fail "make $* has failed"
  [ "$(calls) $(calls "$words")" = "$wanted $wanted" ] ||
    fail "make $*: $(calls) calls, $(calls "$words") with '$words'; there should be $wanted"
}
# expect_link WORDS [VARIABLE]... — the event loop is linked, with these words.
expect_link() {
  words=$1
  shift
  run_make "$@" all || fail "make $* has failed"
  [ "$(calls "$words.* -o .*/event_loop\$")" = 1 ] || fail "make $*: no link with '$words'"
}

run_make -n all || fail 'make -n has failed'
run_make -n test || fail 'make -n test has failed'
whole=$(grep -c -- ' -c ' "$here/said")
run_make -n test SERVER=event_loop || fail 'make -n test SERVER=event_loop has failed'
one=$(grep -c -- ' -c ' "$here/said")
[ $((one * 4)) -lt "$whole" ] || fail "one server's test compiles $one objects of all $whole"
[ ! -e "$here/build" ] || fail 'make -n has made something'
run_make all || fail 'make has failed'
everything=$(calls)
[ "$everything" -gt 20 ] || fail 'that is not everything'
[ "$(calls -Werror)" = 0 ] || fail 'a warning is an error, and nobody has asked for it'
expect 0 ''
expect "$everything" '-O0 -g ' CXXFLAGS='-O0 -g'
expect 0 '' CXXFLAGS='-O0 -g'
run_make -n CXXFLAGS='-O0 -g' all
[ ! -s "$here/said" ] || fail 'make -n would build again'
expect "$everything" '-O2 -g '
expect_link 'ready_queue_kqueue\.o' QUEUE=kqueue
expect_link 'ready_queue_epoll\.o' QUEUE=epoll
expect_link 'wait\.o.* -lm' LDLIBS=-lm
run_make typo && fail 'make typo has made something'
grep -q 'make help' "$here/said" || fail 'make typo does not mention make help'
echo "check-build: $everything calls of the compiler for all programs, and none the second time;"
echo "check-build: make test compiles $whole objects, for one server $one of them"
