#!/bin/sh
# run.sh — the servers that use kqueue, on a model of it: first the model's own cases, then every
# behaviour case. Run by `make check-kqueue`.
#
# Usage: tests/kqueue_model/run.sh BUILD BEHAVIOUR
#   BUILD      what was built with QUEUE=kqueue_model
#   BEHAVIOUR  the program with the behaviour cases
#
# Left out, because they look at epoll itself: M05 and M07 (what the kernel says the server sleeps
# in and watches) and M08 (what an idle client costs; in the model, which asks poll, O(n)).
set -eu
[ $# = 2 ] || { echo "usage: $0 BUILD BEHAVIOUR" >&2; exit 2; }

# The servers promise to end a watch before they close its descriptor: hold them to it.
KQUEUE_MODEL_STRICT=1
export KQUEUE_MODEL_STRICT

# What the model refuses on request it says on stderr; these are not complaints.
env -u KQUEUE_MODEL_STRICT "$1/tests/kqueue_model" 2>/dev/null
exec "$2" --build="$1" --server=event_loop --server=await_loop \
  -tce='*: M05 *,*: M07 *,*: M08 *'
