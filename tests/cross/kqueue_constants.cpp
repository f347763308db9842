// kqueue_constants.cpp — the model's names of kqueue(2), held against Apple's header.
//
// Compiled by tests/cross/check.sh for macOS, and not run: it is right if it compiles.
#include <stdint.h>
#include <time.h>

#include <cstddef>
#include <type_traits>

// First the model, in a namespace. Its values get names that Apple's macros cannot replace.
namespace model {

#include "tests/kqueue_model/sys/event.h"

constexpr auto read_filter = EVFILT_READ;
constexpr auto write_filter = EVFILT_WRITE;
constexpr auto add = EV_ADD;
constexpr auto remove = EV_DELETE;
constexpr auto clear = EV_CLEAR;

using Event = struct kevent;

}  // namespace model

#include <sys/event.h>

using Event = struct kevent;

static_assert(model::read_filter == EVFILT_READ);
static_assert(model::write_filter == EVFILT_WRITE);
static_assert(model::add == EV_ADD);
static_assert(model::remove == EV_DELETE);
static_assert(model::clear == EV_CLEAR);

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
