# What make and the grader know of thread_limit; tests/grade/rules.mk says what the lines mean.
number   = 2
file     = thread_limit.cpp
given    = $(STRAIGHT_LINE)
shown    = blocking/thread_per_connection.cpp
model    = thread_per_connection
baseline = 27
checks   = A00:2 A17:2 M03:2 D04:2 D06:2 D12:2 D13:2 L03:2 L04:7 P01:9 P02:10 P03:6:L04 P04:5:L04 \
           P05:6:S02 P06:6:L04 P07:4:P01 P08:4:P01 S02:6 S08:2 Y01:4:P02 Y02:5:P02
