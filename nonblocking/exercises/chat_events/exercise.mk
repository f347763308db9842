# What make and the grader know of chat_events; tests/grade/rules.mk says what the lines mean.
number   = 8
file     = chat_events.cpp
given    = $(READY_QUEUE)
model    = event_loop
baseline = 14
contract = room
checks   = K01:4 K02:2 K03:4 K04:2 K05:4 K06:4 K07:6 K08:6:K07 K09:6:K07 K10:4 K11:4 K13:4:K07 \
           K15:4:K07 K16:2 K17:2:K09 K18:2:K07 K19:2:K07 K24:6 K25:6:K24 K26:4:K08 K27:2:K12 \
           K28:2:K12 K29:2:K15 K30:2:K17 Y01:4:K07
