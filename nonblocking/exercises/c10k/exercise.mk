# What make and the grader know of c10k; tests/grade/rules.mk says what the lines mean.
number   = 11
file     = c10k.cpp
given    = $(READY_QUEUE)
beside   = $(BUILD)/event_loop
model    = event_loop
baseline = 12
for_each_core = 2
checks   = A00:4 A17:2 B01:1 B02:1 C01:1 C04:1:A17 C13:1 G01:2 G08:3:G01 T01:1 T03:1:T01 L01:3:A17 \
           S02:1:C01 Q00:0 Q01:9:A17 Q02:9:Q01 Q03:6:A17 Q04:7:Q01 Q05:5:Q01 Q06:8:Q01 O01:9:A17 \
           O06:2:O01 Z01:10:A17 Y01:4:Q01 Y02:3:Q01
