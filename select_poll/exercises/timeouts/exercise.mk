# What make and the grader know of timeouts; tests/grade/rules.mk says what the lines mean.
number   = 5
file     = timeouts.cpp
shown    = select_poll/select_loop.cpp
model    = select_loop
baseline = 20
for_each_core = 2
checks   = A00:2 A17:1 B02:1 C01:1 C06:1 D04:1 D13:1 S02:2 M03:1 M04:1 X04:3:T01 L07:5 T01:6 T02:4 \
           T03:6 T04:6 T05:3:T04 T06:3:T01 T07:2:T01 T08:3:T01 T09:1:T01 S10:1:T04 U01:3:T01 \
           U02:4:T02 U03:3:T02 U04:2:T02 U05:3:T01 U06:3:T04 U07:2:T04 U08:4:T04 U09:3:T02 \
           U10:3:T01 U11:1:T04 Y01:4:T01
