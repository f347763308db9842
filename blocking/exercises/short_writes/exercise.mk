# What make and the grader know of short_writes; tests/grade/rules.mk says what the lines mean.
number   = 1
file     = helpers.cpp
given    = $(call objects,$(folder)/server.cpp)
model    = thread_per_connection
baseline = 11
checks   = A00:4 A17:2 B01:8 B03:8 B02:8 B04:8 B05:8 B21:2 B20:6:B01 B16:4:B01 C01:2 X05:8 \
           C02:4:B02 C03:4:C01 C15:8 C18:1:B02 C19:1:B02 D09:1 D11:1 D10:1 D13:5 S02:2:C01 \
           Y01:4:B02
