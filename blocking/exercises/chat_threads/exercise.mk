# What make and the grader know of chat_threads; tests/grade/rules.mk says what the lines mean.
number   = 3
file     = chat_threads.cpp
model    = thread_per_connection
baseline = 10
for_each_core = 3
contract = room
checks   = K01:4 K02:2 K03:4 K04:2 K05:4:K03 K06:6 K07:6 K08:6:K07 K09:6:K07 K10:4 K11:4 K13:4:K07 \
           K15:4:K07 K17:4:K09 K18:4:K07 K19:4:K07 K21:2:K03 K22:2:K12 K27:2:K12 K29:4:K15 \
           K30:2:K17 Y01:4:K07 Y02:6:K07
