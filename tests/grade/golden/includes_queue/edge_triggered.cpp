// Would like to be graded for a loop of ours, with a queue that tells of states.
#include "nonblocking/event_loop.cpp"
#include "nonblocking/ready_queue_epoll.cpp"
