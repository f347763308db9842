# What make and the grader know of edge_triggered; tests/grade/rules.mk says what the lines mean.
number   = 7
file     = edge_triggered.cpp
given    = $(subst nonblocking/ready,$(folder)/edge,$(READY_QUEUE))
model    = event_loop
baseline = 7
# E01 comes before all that edges make hard: who is told of states has not done the exercise. And
# A01 comes before what brings many clients: who accepts one for each edge may be lucky there.
checks   = A00:2 E01:2 A17:3:A01 A01:11:E01 B02:4 B09:11:E01 B26:10:B09 C01:2:E01 C03:10:C01 \
           C04:6:E01 C13:6:C01 D04:4:A01 D12:3:A01 L01:4:A01 L03:3:A01 S02:2:C01 M04:2:A01 \
           M08:2:A01 T01:2:A01 Y01:4:B09
