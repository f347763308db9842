// sys/event.h — the names of kqueue(2), for a test-only model of it on systems that have none.
//
// Gives: struct kevent, EV_SET, kqueue() and kevent() under the same names as the real header, so
//        that a program written for kqueue compiles unchanged with -Itests/kqueue_model. The
//        numbers are Apple's; tests/cross/kqueue_constants.cpp holds them against Apple's header.
// Do:    read kqueue_model.cpp for what is modelled and what is not.
// Do not: use it for anything but tests. What the model does not know has no name here, EV_EOF for
//        example, so a program that needs it does not compile.
#pragma once
// As the real one is: g++ warns of a function with the name of a struct, kevent, elsewhere.
#pragma GCC system_header

#include <stdint.h>
#include <time.h>

inline constexpr int16_t EVFILT_READ = -1;
inline constexpr int16_t EVFILT_WRITE = -2;

inline constexpr uint16_t EV_ADD = 0x0001;
inline constexpr uint16_t EV_DELETE = 0x0002;
inline constexpr uint16_t EV_CLEAR = 0x0020;

struct kevent {
  uintptr_t ident;
  int16_t filter;
  uint16_t flags;
  uint32_t fflags;
  intptr_t data;
  void* udata;
};

inline void EV_SET(struct kevent* event, uintptr_t ident, int16_t filter, uint16_t flags,
                   uint32_t fflags, intptr_t data, void* udata) {
  event->ident = ident;
  event->filter = filter;
  event->flags = flags;
  event->fflags = fflags;
  event->data = data;
  event->udata = udata;
}

int kqueue();
int kevent(int queue, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const struct timespec* timeout);
