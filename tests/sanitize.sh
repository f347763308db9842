#!/bin/sh
# sanitize.sh — builds the programs again with sanitizers and runs the tests against them:
# AddressSanitizer and UndefinedBehaviorSanitizer for all, ThreadSanitizer for the threads.
# Usage: tests/sanitize.sh CXX BUILD 'SERVERS' 'SKETCHES' [CASE]
set -eu
cxx=$1
build=$2
servers=$3
sketches=$4
pattern=${5:-}

# sanitized NAME 'SERVERS' — how to build, the folder's name says (tests/faults/rules.mk). The
# behaviour cases are those of the plain build.
sanitized() {
  echo "-- building with $1, which takes longer the first time"
  "${MAKE:-make}" --no-print-directory BUILD="$build/$1" CXX="$cxx" all >"$build/$1.log" 2>&1 || {
    cat "$build/$1.log"
    exit 1
  }
  sh tests/run.sh "$build/$1" "$2" "$pattern" "$build/tests"
}
sanitized asan "$servers"
[ -n "$pattern" ] || sh tests/attack/sketches.sh "$build/asan" '' "$build/attack" "$sketches"
sanitized tsan thread_per_connection
