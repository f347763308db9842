# shellcheck shell=sh
# prove_parts.sh — what prove.sh and correct.sh have in common.

# A check of a sanitizer that was skipped, for want of a build, has not been shown to pass.
not_asked() { # log
  sed -n 's/^  \(Y[0-9]*\)  .* skipped  *0\/0$/\1/p' "$1" | tr '\n' ' '
}

# Who reads this file has set $share, so that several machines can have a part each: 2/4 is of every
# four proofs the second.
case $share in
  *[!0-9/]* | */*/* | /* | */ | 0* | */0*) share= ;;
  */*) ;;
  *) share= ;;
esac
if [ -z "$share" ] || [ "${share%/*}" -gt "${share#*/}" ]; then
  echo 'SHARE is a number and how many there are, as in SHARE=2/4' >&2
  exit 2
fi

turn=0
is_mine() {
  turn=$((turn + 1))
  [ $(((turn - ${share%/*}) % ${share#*/})) -eq 0 ]
}
