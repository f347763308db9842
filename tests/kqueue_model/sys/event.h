// sys/event.h — the names of kqueue(2), for a test-only model of it on systems that have none.
//
// Gives: struct kevent, EV_SET, kqueue() and kevent() under the same names as the real header, so
//        that a program written for kqueue compiles unchanged with -Itests/kqueue_model. The
//        numbers are Apple's; tests/macos/kqueue_constants.cpp holds them against Apple's header.
// Do:    read kqueue_model.cpp for what is modelled and what is not.
// Do not: use it for anything but tests. Filters and notes that the model does not know have no
//        name here, so a program that needs them does not compile.
#pragma once
// As the real one is: g++ warns of a function with the name of a struct, kevent, elsewhere.
#pragma GCC system_header

#include <stdint.h>
#include <time.h>

inline constexpr int16_t EVFILT_READ = -1;
inline constexpr int16_t EVFILT_WRITE = -2;
inline constexpr int16_t EVFILT_TIMER = -7;
inline constexpr int16_t EVFILT_USER = -10;

// What to do with a registration.
inline constexpr uint16_t EV_ADD = 0x0001;
inline constexpr uint16_t EV_DELETE = 0x0002;
inline constexpr uint16_t EV_ENABLE = 0x0004;
inline constexpr uint16_t EV_DISABLE = 0x0008;

// How it behaves.
inline constexpr uint16_t EV_ONESHOT = 0x0010;
inline constexpr uint16_t EV_CLEAR = 0x0020;
inline constexpr uint16_t EV_RECEIPT = 0x0040;
inline constexpr uint16_t EV_DISPATCH = 0x0080;

// What is said about an event.
inline constexpr uint16_t EV_ERROR = 0x4000;
inline constexpr uint16_t EV_EOF = 0x8000;

// For EVFILT_USER.
inline constexpr uint32_t NOTE_TRIGGER = 0x01000000;
inline constexpr uint32_t NOTE_FFNOP = 0x00000000;
inline constexpr uint32_t NOTE_FFAND = 0x40000000;
inline constexpr uint32_t NOTE_FFOR = 0x80000000;
inline constexpr uint32_t NOTE_FFCOPY = 0xc0000000;
inline constexpr uint32_t NOTE_FFCTRLMASK = 0xc0000000;
inline constexpr uint32_t NOTE_FFLAGSMASK = 0x00ffffff;

// For EVFILT_TIMER, which counts in milliseconds unless told otherwise.
inline constexpr uint32_t NOTE_SECONDS = 0x00000001;
inline constexpr uint32_t NOTE_USECONDS = 0x00000002;
inline constexpr uint32_t NOTE_NSECONDS = 0x00000004;

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
