#!/bin/sh
# run.sh — what uses kqueue, on a model of it: first the model's own cases, then every behaviour
# case, then the solution of edge_triggered. Run by `make check-kqueue`.
#
# Usage: tests/kqueue_model/run.sh BUILD BEHAVIOUR GRADE
#   BUILD      what was built with QUEUE=kqueue_model
#   BEHAVIOUR  the program with the behaviour cases
#   GRADE      the grader
set -eu
[ $# = 3 ] || { echo "usage: $0 BUILD BEHAVIOUR GRADE" >&2; exit 2; }

# What the model refuses on request it says on stderr; these are not complaints.
"$1/tests/kqueue_model" 2>/dev/null

# The servers know what they have registered, whatever has been closed meanwhile: hold them to it.
KQUEUE_MODEL_STRICT=1 "$2" --build="$1" --server=event_loop --server=await_loop

# EV_CLEAR. The exercise leaves it to the kernel to end a watch.
"$3" --build "$1" --program "$1/solutions/edge_triggered" edge_triggered
