# What make and the grader know of offload; tests/grade/rules.mk says what the lines mean.
number   = 9
file     = offload.cpp
given    = $(READY_QUEUE)
model    = event_loop
baseline = 20
checks   = A00:4 A17:4 B02:4 C01:4 M03:4 O01:16 O02:12 O03:10:O02 O04:6:O01 O05:8:O01 O06:6:O01 \
           O07:8:O01 O08:4:O01 Y01:4:O01 Y02:6:O01
