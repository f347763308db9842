# What make and the grader know of find_the_bugs; tests/grade/rules.mk says what the lines mean.
number   = 4
file     = find_the_bugs.cpp
shown    = select_poll/poll_loop.cpp
model    = poll_loop
baseline = 13
# X06 comes before the bugs: some other server without them has not mended any.
checks   = A00:4 B02:1 B04:1 X06:1 X01:8:X06 X02:8:X06 X04:8:X06 C06:8:X06 C01:8:C06 D13:8:X04 \
           L01:8:X04 T08:8:X06 S02:8:C06 T03:8:T08 Y01:4:C06
