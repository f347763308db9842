# What make and the grader know of await_timer; tests/grade/rules.mk says what the lines mean.
number   = 10
file     = await_timer.cpp
given    = $(READY_QUEUE)
model    = await_loop
baseline = 29
checks   = A00:3 A17:1 B02:2 C01:2 D04:2 T01:1 G01:2 G04:2 H01:2 H02:5 H03:2 H04:7:H02 H05:5:H02 \
           H06:3:H02 H07:7:H02 H08:4:H02 H09:4:H02 H10:7 H11:4:H10 H12:4:H10 H13:5:H12 H14:3:H10 \
           H15:3:H12 H16:3:H02 H17:3:H02 Y01:4:H02
