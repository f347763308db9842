#!/bin/sh
# sanitize.sh — builds the programs again with sanitizers and runs the tests against them:
# AddressSanitizer and UndefinedBehaviorSanitizer for all, ThreadSanitizer for the threads.
# Usage: tests/sanitize.sh CXX BUILD 'SERVERS' [CASE]
set -eu
cxx=$1
build=$2
servers=$3
pattern=${4:-}
flags='-O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all'

# sanitized NAME SANITIZERS 'SERVERS' — the behaviour cases are those of the plain build.
sanitized() {
  echo "-- $2"
  "${MAKE:-make}" --no-print-directory BUILD="$build/$1" CXX="$cxx" \
    CXXFLAGS="$flags -fsanitize=$2" all >"$build/$1.log" 2>&1 || { cat "$build/$1.log"; exit 1; }
  tests/run.sh "$build/$1" "$3" "$pattern" "$build/tests"
}
sanitized asan address,undefined "$servers"
sanitized tsan thread thread_per_connection
