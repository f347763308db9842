# What make and the grader know of offload; tests/grade/rules.mk says what the lines mean.
number   = 9
file     = offload.cpp
given    = $(READY_QUEUE)
model    = event_loop
baseline = 29
checks   = A00:4 A17:3 B02:4 C01:4 M03:4 O01:14 O02:10 O03:9:O02 O04:6:O01 O05:7:O01 O06:5:O01 \
           O07:7:O01 O08:4:O01 Y01:4:O01 Y02:5:O01
