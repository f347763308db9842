# What every server here keeps, and so every exercise: a tenth of the points. An exercise says which of
# these lists it has, by "contract"; if it does not, http. A check that it asks anyway counts as it says.
http  = Z01:1 Z02:1 Z03:1 D10:1 L01:1 C13:1 C04:1 C08:1 S01:1 S03:1
# Its server is not the student's, and lets a byte buy time.
given = Z01:1 Z02:1 T01:1 D10:1 L01:1 C13:1 C04:1 C08:1 S01:1 S03:1
room  = Z04:2 K12:2 K14:2 K20:2 K23:2:K12
# No server.
none  =
