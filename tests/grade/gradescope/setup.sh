#!/bin/sh
# Run once, when Gradescope builds the image.
set -eu
apt-get update
apt-get install -y --no-install-recommends g++ make
cd "${AUTOGRADER:-/autograder}/source/two-ways-to-wait"
make -s build/grade given
for as in $(build/grade --rebuilds "$(cat ../exercise)"); do
  make -s "given-$as" || echo "no sanitizer '$as' here: its check is skipped"
done
