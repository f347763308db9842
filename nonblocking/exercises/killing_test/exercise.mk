# What make and the grader know of killing_test; tests/grade/rules.mk says what the lines mean.
number   = 12
file     = killing_test.cpp
given    = $(call objects,$(folder)/harness.cpp)
# The wrong servers, and the right ones as far as a handout does not hide them.
beside   = $(addprefix $(BUILD)/wrong/,1 2 3 4 5 6 7 8 9 10) \
           $(addprefix $(BUILD)/right/,$(filter-out one_at_a_time,$(SERVERS)))
model    = event_loop
baseline = 20
for_each_core = 3
contract = none
checks   = V01:10 V02:10 V11:8:V02 V12:8:V02 V13:8:V02 V14:8:V02 V15:8:V02 V16:8:V02 V17:8:V02 \
           V18:8:V02 V19:8:V02 V20:8:V02
