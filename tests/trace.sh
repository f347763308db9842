#!/bin/sh
# trace.sh — a server under strace, showing only the calls that wait, read, write and accept.
# Usage: tests/trace.sh PROGRAM [ARGUMENTS]...
calls=accept,accept4,connect,recvfrom,sendto,shutdown,close,poll,ppoll,select,pselect6,\
epoll_create1,epoll_ctl,epoll_wait,epoll_pwait
exec strace -f -tt -e signal=none -e "trace=$calls" "$@"
