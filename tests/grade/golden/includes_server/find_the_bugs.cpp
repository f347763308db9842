// Would like to be graded for a server of ours.
#include "select_poll/poll_loop.cpp"
