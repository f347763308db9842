#!/bin/sh
# sanitize.sh — builds everything again with sanitizers and runs the tests: AddressSanitizer and
# UndefinedBehaviorSanitizer for all, ThreadSanitizer for the server that has threads.
# Usage: tests/sanitize.sh CXX BUILD 'SERVERS' [CASE]
set -eu
cxx=$1
build=$2
servers=$3
pattern=${4:-}
flags='-O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all'
make=${MAKE:-make}

echo "-- AddressSanitizer, UndefinedBehaviorSanitizer"
"$make" --no-print-directory BUILD="$build/asan" CXX="$cxx" \
  CXXFLAGS="$flags -fsanitize=address,undefined" all tests >"$build/asan.log" 2>&1 ||
  { cat "$build/asan.log"; exit 1; }
tests/run.sh "$build/asan" "$servers" "$pattern"

echo "-- ThreadSanitizer"
"$make" --no-print-directory BUILD="$build/tsan" CXX="$cxx" \
  CXXFLAGS="$flags -fsanitize=thread" all "$build/tsan/tests/behaviour" >"$build/tsan.log" 2>&1 ||
  { cat "$build/tsan.log"; exit 1; }
tests/run.sh "$build/tsan" thread_per_connection "$pattern"
