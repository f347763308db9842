// kqueue_constants.cpp — the model's names of kqueue(2), held against Apple's header.
//
// Compiled by tests/macos/check.sh for macOS, and not run: it is right if it compiles.
#include <stdint.h>
#include <time.h>

#include <cstddef>
#include <type_traits>

// First the model, in a namespace. Its values get names that Apple's macros cannot replace.
namespace model {

#include "tests/kqueue_model/sys/event.h"

constexpr auto read_filter = EVFILT_READ;
constexpr auto write_filter = EVFILT_WRITE;
constexpr auto timer_filter = EVFILT_TIMER;
constexpr auto user_filter = EVFILT_USER;
constexpr auto add = EV_ADD;
constexpr auto remove = EV_DELETE;
constexpr auto enable = EV_ENABLE;
constexpr auto disable = EV_DISABLE;
constexpr auto oneshot = EV_ONESHOT;
constexpr auto clear = EV_CLEAR;
constexpr auto receipt = EV_RECEIPT;
constexpr auto dispatch = EV_DISPATCH;
constexpr auto error = EV_ERROR;
constexpr auto end_of_file = EV_EOF;
constexpr auto trigger = NOTE_TRIGGER;
constexpr auto notes_none = NOTE_FFNOP;
constexpr auto notes_and = NOTE_FFAND;
constexpr auto notes_or = NOTE_FFOR;
constexpr auto notes_copy = NOTE_FFCOPY;
constexpr auto notes_control = NOTE_FFCTRLMASK;
constexpr auto notes_user = NOTE_FFLAGSMASK;
constexpr auto seconds = NOTE_SECONDS;
constexpr auto microseconds = NOTE_USECONDS;
constexpr auto nanoseconds = NOTE_NSECONDS;

using Event = struct kevent;

}  // namespace model

#include <sys/event.h>

using Event = struct kevent;

static_assert(model::read_filter == EVFILT_READ);
static_assert(model::write_filter == EVFILT_WRITE);
static_assert(model::timer_filter == EVFILT_TIMER);
static_assert(model::user_filter == EVFILT_USER);
static_assert(model::add == EV_ADD);
static_assert(model::remove == EV_DELETE);
static_assert(model::enable == EV_ENABLE);
static_assert(model::disable == EV_DISABLE);
static_assert(model::oneshot == EV_ONESHOT);
static_assert(model::clear == EV_CLEAR);
static_assert(model::receipt == EV_RECEIPT);
static_assert(model::dispatch == EV_DISPATCH);
static_assert(model::error == EV_ERROR);
static_assert(model::end_of_file == EV_EOF);
static_assert(model::trigger == NOTE_TRIGGER);
static_assert(model::notes_none == NOTE_FFNOP);
static_assert(model::notes_and == NOTE_FFAND);
static_assert(model::notes_or == NOTE_FFOR);
static_assert(model::notes_copy == NOTE_FFCOPY);
static_assert(model::notes_control == NOTE_FFCTRLMASK);
static_assert(model::notes_user == NOTE_FFLAGSMASK);
static_assert(model::seconds == NOTE_SECONDS);
static_assert(model::microseconds == NOTE_USECONDS);
static_assert(model::nanoseconds == NOTE_NSECONDS);

static_assert(std::is_same_v<decltype(model::Event::ident), decltype(Event::ident)>);
static_assert(std::is_same_v<decltype(model::Event::filter), decltype(Event::filter)>);
static_assert(std::is_same_v<decltype(model::Event::flags), decltype(Event::flags)>);
static_assert(std::is_same_v<decltype(model::Event::fflags), decltype(Event::fflags)>);
static_assert(std::is_same_v<decltype(model::Event::data), decltype(Event::data)>);
static_assert(std::is_same_v<decltype(model::Event::udata), decltype(Event::udata)>);
static_assert(sizeof(model::Event) == sizeof(Event));
static_assert(offsetof(model::Event, ident) == offsetof(Event, ident));
static_assert(offsetof(model::Event, filter) == offsetof(Event, filter));
static_assert(offsetof(model::Event, flags) == offsetof(Event, flags));
static_assert(offsetof(model::Event, fflags) == offsetof(Event, fflags));
static_assert(offsetof(model::Event, data) == offsetof(Event, data));
static_assert(offsetof(model::Event, udata) == offsetof(Event, udata));

static_assert(std::is_same_v<decltype(::kqueue()), decltype(model::kqueue())>);
static_assert(std::is_same_v<decltype(::kevent(0, nullptr, 0, nullptr, 0, nullptr)),
                             decltype(model::kevent(0, nullptr, 0, nullptr, 0, nullptr))>);
