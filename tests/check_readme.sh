#!/bin/sh
# check_readme.sh — do README's two commands work, as printed, on a machine that has nothing yet?
# Makes a bare Debian 12 with debootstrap, and types each command into a copy of it of its own, from
# a copy of this project's folder. Run by `make check-readme`; needs root, and a Linux that lets it
# mount. Without these it says so, and that it was skipped.
#
# Usage: tests/check_readme.sh [NUMBER]     only the first command, or the second
#   BARE_DEBIAN in the environment: where the bare Debian is kept for the next time.
#   JOBS=2 in the environment: make compiles two files at a time in there.
set -eu
bare=${BARE_DEBIAN:-/var/tmp/two-ways-bare-debian}
typed=$bare/typed

leave_out() {
  echo "skipped: check-readme: $1"
  exit 0
}
[ "$(id -u)" -eq 0 ] || leave_out 'only root can make a bare Debian'
command -v debootstrap >/dev/null ||
  leave_out 'debootstrap is not installed (Debian: apt-get install debootstrap)'
unshare -m -p -f true 2>/dev/null || leave_out 'this system does not allow mounts of its own'

# From where this machine has its own packages, and with its own settings for that.
make_bare() {
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
    2>/dev/null | sed -nE 's,^(URIs:|deb) *(\[.*\])? *([^ ]*/debian)/?( .*)?$,\3,p' | head -n 1)
  mkdir -p "$bare"
  rm -rf "$bare/root"
  debootstrap --variant=minbase bookworm "$bare/root" ${mirror:+"$mirror"} >"$bare/log" 2>&1 || {
    tail -n 5 "$bare/log"
    exit 1
  }
  apt-config dump Acquire 2>/dev/null | grep -E '^Acquire::(https?|Check-[A-Za-z-]*|Retries)[: ]' \
    >"$bare/root/etc/apt/apt.conf.d/99as-outside" || :
  : >"$bare/made"
}

# A process namespace of its own, so that nothing stays behind.
enter() { # command
  # shellcheck disable=SC2016 # for the shell in there
  root=$typed command=$1 unshare -m -p -f --propagation private sh -ec '
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sys "$root/sys"
    mount --rbind /dev "$root/dev"
    cat /etc/resolv.conf >"$root/etc/resolv.conf" 2>/dev/null || :
    cd "$root"
    mkdir -p .outside
    pivot_root . .outside
    umount -l /.outside
    cd /root/project
    exec env -i HOME=/root TERM=dumb DEBIAN_FRONTEND=noninteractive MAKEFLAGS="${JOBS:+-j$JOBS}" \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "$command"'
}

[ -e "$bare/made" ] || make_bare
trap 'rm -rf --one-file-system "$typed"' EXIT
trap 'exit 130' INT TERM
awk '/^## /{ here = /^## Two commands/ } /^```/{ code = here && /^```sh$/; next } code' README.md \
  >"$bare/commands"
[ "$(wc -l <"$bare/commands")" -eq 2 ] || { echo 'check-readme: README.md has no two commands' >&2 && exit 1; }
for number in ${1:-1 2}; do
  command=$(sed -n "${number}p" "$bare/commands")
  printf '\n== on a bare Debian: %s\n' "$command"
  rm -rf --one-file-system "$typed"
  cp -a "$bare/root" "$typed"
  mkdir "$typed/root/project"
  tar -cf - --exclude=./build --exclude=./.git --exclude=node_modules . | tar -C "$typed/root/project" -xf -
  began=$(date +%s)
  enter "$command" || { echo "check-readme: this has failed: $command" >&2 && exit 1; }
  echo "== worked, in $(($(date +%s) - began)) s"
done
