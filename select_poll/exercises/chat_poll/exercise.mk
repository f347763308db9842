# What make and the grader know of chat_poll; tests/grade/rules.mk says what the lines mean.
number   = 6
file     = chat_poll.cpp
model    = poll_loop
baseline = 18
contract = room
checks   = K01:6 K02:2 K03:7 K04:4 K05:8 K06:8 K07:8 K08:6:K07 K09:7:K07 K10:6 K11:6 K13:6:K07 \
           K15:6:K07 K16:2 K29:4:K15 Y01:4:K07
