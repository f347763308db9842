# What make and the grader know of short_writes; tests/grade/rules.mk says what the lines mean.
number   = 1
file     = helpers.cpp
given    = $(call objects,$(folder)/server.cpp)
model    = thread_per_connection
baseline = 16
contract = given
checks   = A00:3 A17:2 B01:7 B03:7 B02:7 B04:7 B05:7 B21:2 B20:5:B01 B16:4:B01 C01:2 X05:7 \
           C02:4:B02 C03:4:C01 C15:7 C18:1:B02 C19:1:B02 D09:1 D11:1 D13:5 S02:2:C01 Y01:4:B02
