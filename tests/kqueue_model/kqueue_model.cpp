// kqueue_model.cpp — a model of kqueue(2) and kevent(2), for tests on a system without them.
//
// It is written over poll(2) from FreeBSD's manual page, and it is not a kernel: a wake-up costs
// O(n) here, and what passes on it has passed on a model.
//
// Modelled: EVFILT_READ and EVFILT_WRITE on sockets and pipes, level-triggered, each with its own
//   udata; EV_EOF together with the unread bytes; listeners, with the backlog in data; EVFILT_USER;
//   EVFILT_TIMER; EV_ENABLE, EV_DISABLE, EV_ONESHOT, EV_DISPATCH, EV_RECEIPT; EV_CLEAR for users
//   and timers; errors in the event list or in errno (EBADF, EINVAL, ENOENT, ENOMEM, EINTR);
//   registrations end with their descriptor (close, dup2); a child of fork has no queue; of more
//   ready events than fit, the others come first the next time.
// Refused, in words on stderr and with ENOTSUP: everything else that can be noticed. Such as
//   EV_CLEAR on a descriptor, NOTE_LOWAT, files and terminals, a queue used by two threads, and
//   requests about which systems differ.
// Not noticed: a socket that was never connected counts as disconnected (a real write filter
//   stays silent); EV_EOF after one's own shutdown is known for TCP only; fflags never tells a
//   socket's error.
//
// Single-threaded: all calls about queues and watched descriptors must come from one thread, and
// none from a signal handler.
//
// With KQUEUE_MODEL_STRICT in the environment, closing a watched descriptor ends the process. The
// kernel allows it; our servers promise not to.
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <list>
#include <map>
#include <new>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "common/wait.hpp"

namespace {

// -- what is registered --

struct Registration {
  struct kevent event;  // its flags are only those that say how it behaves
  bool is_enabled = true;
  bool is_triggered = false;    // EVFILT_USER
  Clock::duration period = {};  // EVFILT_TIMER
  Time due = {};
};

struct Queue {
  using Place = std::list<Registration>::iterator;
  using Key = std::pair<uintptr_t, int16_t>;

  std::list<Registration> registrations;  // whoever was reported last stands last
  std::map<Key, Place> places;
  std::vector<pollfd> polled;  // one for each registration, in the same order
  std::thread::id thread = std::this_thread::get_id();

  void erase(Place place) {
    places.erase({place->event.ident, place->event.filter});
    registrations.erase(place);
  }
};

// By descriptor. Never destroyed: descriptors are closed until the very end of a program.
std::map<int, Queue>& queues() {
  static auto& all = *new std::map<int, Queue>;
  return all;
}

int refuse(const char* what) {
  std::fprintf(stderr, "kqueue model: %s\n", what);
  return ENOTSUP;
}

bool is_about_descriptor(int16_t filter) {
  return filter == EVFILT_READ || filter == EVFILT_WRITE;
}

// -- registrations end with their descriptor --

using Close = int (*)(int);
using Duplicate = int (*)(int, int);

// The definition that this one hides; it may be a fault-injecting one.
int really_close(int descriptor) {
  static const auto next = reinterpret_cast<Close>(dlsym(RTLD_NEXT, "close"));
  return next(descriptor);
}

void complain_about_closing(const Registration& registration) {
  if (std::getenv("KQUEUE_MODEL_STRICT") == nullptr) return;
  std::fprintf(stderr, "kqueue model: descriptor %ld was closed while filter %d watched it\n",
               static_cast<long>(registration.event.ident), registration.event.filter);
  std::abort();
}

void forget_descriptor(int descriptor) {
  if (descriptor < 0) return;
  for (auto& [number, queue] : queues()) {
    for (const int16_t filter : {EVFILT_READ, EVFILT_WRITE}) {
      const auto found = queue.places.find({static_cast<uintptr_t>(descriptor), filter});
      if (found == queue.places.end()) continue;
      complain_about_closing(*found->second);
      queue.erase(found->second);
    }
  }
  queues().erase(descriptor);
}

// A queue is not inherited by a child of fork.
void close_queues_in_child() {
  for (const auto& [number, queue] : queues()) really_close(number);
  queues().clear();
}

// -- changes --

// 0, or why the descriptor of this change cannot be watched.
int check_descriptor(const struct kevent& change) {
  struct stat status;
  if (change.ident > static_cast<uintptr_t>(std::numeric_limits<int>::max())) return EBADF;
  if (fstat(static_cast<int>(change.ident), &status) < 0) return EBADF;
  if (!S_ISSOCK(status.st_mode) && !S_ISFIFO(status.st_mode))
    return refuse("only sockets and pipes can be watched");
  if ((change.flags & EV_CLEAR) != 0) return refuse("EV_CLEAR is not modelled for descriptors");
  if (change.fflags != 0) return refuse("no fflags are modelled for descriptors");
  return 0;
}

int check_timer(const struct kevent& change) {
  if ((change.flags & EV_ADD) == 0) return 0;
  if (change.data < 0) return EINVAL;
  if (change.data == 0) return refuse("a timer of no length: systems differ");
  if (change.fflags > NOTE_NSECONDS || (change.fflags & (change.fflags - 1)) != 0)
    return refuse("a timer's fflags may name one unit, and nothing else is modelled");
  return 0;
}

int check(const struct kevent& change) {
  constexpr int known_flags = EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_ONESHOT | EV_CLEAR |
                              EV_RECEIPT | EV_DISPATCH;
  const int flags = change.flags;
  if ((flags & EV_ENABLE) != 0 && (flags & EV_DISABLE) != 0) return EINVAL;
  if ((flags & ~known_flags) != 0) return refuse("a flag that is not modelled");
  if ((flags & EV_ADD) != 0 && (flags & EV_DELETE) != 0)
    return refuse("EV_ADD and EV_DELETE in one change: systems differ");
  switch (change.filter) {
    case EVFILT_READ:
    case EVFILT_WRITE:
      return check_descriptor(change);
    case EVFILT_TIMER:
      return check_timer(change);
    case EVFILT_USER:
      return 0;
    default:
      return EINVAL;
  }
}

// How a registration behaves, apart from what is done to it. Timers always clear themselves.
uint16_t behaviour(const struct kevent& change) {
  const int flags = change.flags & (EV_ONESHOT | EV_CLEAR | EV_DISPATCH | EV_RECEIPT);
  return static_cast<uint16_t>(change.filter == EVFILT_TIMER ? flags | EV_CLEAR : flags);
}

Clock::duration timer_period(const struct kevent& change) {
  const auto count = change.data;
  using std::chrono::duration_cast;
  if (change.fflags == NOTE_SECONDS) return std::chrono::seconds(count);
  if (change.fflags == NOTE_USECONDS) return std::chrono::microseconds(count);
  if (change.fflags == NOTE_NSECONDS) return std::chrono::nanoseconds(count);
  return std::chrono::milliseconds(count);
}

void start_timer(Registration& registration, const struct kevent& change) {
  registration.period = timer_period(change);
  registration.due = Clock::now() + registration.period;
}

// The upper bits of fflags say what is done to the lower ones.
void touch_user_event(Registration& registration, const struct kevent& change) {
  uint32_t& notes = registration.event.fflags;
  const uint32_t given = change.fflags & NOTE_FFLAGSMASK;
  const uint32_t what = change.fflags & NOTE_FFCTRLMASK;
  if (what == NOTE_FFAND) notes &= given;
  if (what == NOTE_FFOR) notes |= given;
  if (what == NOTE_FFCOPY) notes = given;
  if ((change.fflags & NOTE_TRIGGER) != 0) registration.is_triggered = true;
  registration.event.data = change.data;
}

int add(Queue& queue, const struct kevent& change) {
  // All memory is had here, so that waiting needs none.
  queue.polled.reserve(queue.registrations.size() + 1);
  queue.registrations.push_back({.event = change});
  const auto place = std::prev(queue.registrations.end());
  try {
    queue.places.emplace(Queue::Key{change.ident, change.filter}, place);
  } catch (const std::bad_alloc&) {
    queue.registrations.erase(place);
    throw;
  }
  place->event.flags = behaviour(change);
  place->is_enabled = (change.flags & EV_DISABLE) == 0;
  if (change.filter == EVFILT_TIMER) start_timer(*place, change);
  if (change.filter == EVFILT_USER) {
    place->event.fflags &= NOTE_FFLAGSMASK;
    place->is_triggered = (change.fflags & NOTE_TRIGGER) != 0;
  }
  return 0;
}

int modify(Registration& registration, const struct kevent& change) {
  const bool is_added = (change.flags & EV_ADD) != 0;
  if (is_added && behaviour(change) != registration.event.flags)
    return refuse("a registration added anew with other flags: systems differ");
  registration.event.udata = change.udata;  // by every change, EV_ENABLE too
  if ((change.flags & EV_DISABLE) != 0)
    registration.is_enabled = false;
  else if (is_added || (change.flags & EV_ENABLE) != 0)
    registration.is_enabled = true;
  if (change.filter == EVFILT_TIMER && is_added) start_timer(registration, change);
  if (change.filter == EVFILT_USER) touch_user_event(registration, change);
  return 0;
}

// 0 or an errno value.
int apply(Queue& queue, const struct kevent& change) try {
  if (const int error = check(change); error != 0) return error;
  const auto found = queue.places.find({change.ident, change.filter});
  if (found == queue.places.end())
    return (change.flags & EV_ADD) != 0 ? add(queue, change) : ENOENT;
  if ((change.flags & EV_DELETE) == 0) return modify(*found->second, change);
  queue.erase(found->second);
  return 0;
} catch (const std::bad_alloc&) {
  return ENOMEM;
}

// -- filters --

int integer_option(int socket, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(socket, SOL_SOCKET, option, &value, &length) == 0 ? value : 0;
}

std::optional<tcp_info> tcp_state(int socket) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return std::nullopt;
  return info;
}

int bytes_in(int descriptor, unsigned long which) {
  int count = 0;
  return ioctl(descriptor, which, &count) == 0 ? count : 0;
}

// The unread bytes, or a listener's backlog.
intptr_t readable_amount(int descriptor) {
  if (integer_option(descriptor, SO_ACCEPTCONN) == 0) return bytes_in(descriptor, FIONREAD);
  const auto state = tcp_state(descriptor);
  return state ? static_cast<intptr_t>(state->tcpi_unacked) : 1;
}

intptr_t writable_amount(int descriptor) {
  const int room = integer_option(descriptor, SO_SNDBUF);
  if (room > 0) return std::max(0, room - bytes_in(descriptor, TIOCOUTQ));
  return fcntl(descriptor, F_GETPIPE_SZ) - bytes_in(descriptor, FIONREAD);
}

bool is_sending_over(int descriptor, int polled) {
  if ((polled & (POLLERR | POLLHUP)) != 0) return true;
  const auto state = tcp_state(descriptor);
  return state && state->tcpi_state != TCP_ESTABLISHED && state->tcpi_state != TCP_CLOSE_WAIT;
}

bool read_filter(int polled, struct kevent& event) {
  if (polled == 0) return false;
  event.data = readable_amount(static_cast<int>(event.ident));
  if ((polled & (POLLRDHUP | POLLHUP | POLLERR)) != 0) event.flags |= EV_EOF;
  return true;
}

bool write_filter(int polled, struct kevent& event) {
  if (polled == 0) return false;
  event.data = writable_amount(static_cast<int>(event.ident));
  if (is_sending_over(static_cast<int>(event.ident), polled)) event.flags |= EV_EOF;
  return true;
}

bool timer_filter(Registration& registration, Time now, struct kevent& event) {
  if (registration.due > now) return false;
  const auto times = (now - registration.due) / registration.period + 1;
  registration.due += times * registration.period;
  const bool is_single = (registration.event.flags & EV_ONESHOT) != 0;
  event.data = is_single ? 1 : times;
  return true;
}

bool user_filter(Registration& registration) {
  if (!registration.is_triggered) return false;
  if ((registration.event.flags & EV_CLEAR) == 0) return true;
  registration.is_triggered = false;
  registration.event.fflags = 0;
  registration.event.data = 0;
  return true;
}

// Is there something to report? If so, `event` is filled in.
bool run_filter(Registration& registration, int polled, Time now, struct kevent& event) {
  event = registration.event;
  switch (event.filter) {
    case EVFILT_READ:
      return read_filter(polled, event);
    case EVFILT_WRITE:
      return write_filter(polled, event);
    case EVFILT_TIMER:
      return timer_filter(registration, now, event);
    default:
      return user_filter(registration);
  }
}

// -- waiting --

pollfd poll_entry(const Registration& registration) {
  const bool is_polled = registration.is_enabled && is_about_descriptor(registration.event.filter);
  const short what = registration.event.filter == EVFILT_READ ? POLLIN | POLLRDHUP : POLLOUT;
  return {is_polled ? static_cast<int>(registration.event.ident) : -1, what, 0};
}

// When the first of those events is due that poll cannot see.
std::optional<Time> first_due(const Queue& queue) {
  std::optional<Time> first;
  for (const Registration& registration : queue.registrations) {
    if (!registration.is_enabled) continue;
    if (registration.is_triggered) return Time{};
    if (registration.event.filter == EVFILT_TIMER) first = earlier(first, registration.due);
  }
  return first;
}

void after_report(Queue& queue, Queue::Place place) {
  if ((place->event.flags & EV_ONESHOT) != 0) {
    queue.erase(place);
    return;
  }
  if ((place->event.flags & EV_DISPATCH) != 0) place->is_enabled = false;
  queue.registrations.splice(queue.registrations.end(), queue.registrations, place);
}

// Fills `room` with what poll has found and what is due. Returns how many.
int collect(Queue& queue, std::span<struct kevent> room) {
  const Time now = Clock::now();
  std::size_t count = 0;
  auto next = queue.registrations.begin();
  for (const pollfd& entry : queue.polled) {
    const auto place = next++;
    if (count == room.size()) break;
    if ((entry.revents & POLLNVAL) != 0) {  // closed behind our back
      complain_about_closing(*place);
      queue.erase(place);
    } else if (place->is_enabled && run_filter(*place, entry.revents, now, room[count])) {
      ++count;
      after_report(queue, place);
    }
  }
  return static_cast<int>(count);
}

int wait_for_events(Queue& queue, std::span<struct kevent> room, std::optional<Time> deadline) {
  for (;;) {
    queue.polled.clear();
    for (const Registration& registration : queue.registrations)
      queue.polled.push_back(poll_entry(registration));

    const auto due = first_due(queue);
    const Time now = Clock::now();
    const int limit = milliseconds_until(earlier(deadline, due), now);
    const int result = poll(queue.polled.data(), queue.polled.size(), limit);
    const bool has_something = due && *due <= now;
    if (result < 0 && !(errno == EINTR && has_something)) return -1;
    if (const int count = collect(queue, room); count > 0) return count;
    if (deadline && *deadline <= Clock::now()) return 0;
  }
}

bool is_valid(const timespec& limit) {
  return limit.tv_sec >= 0 && limit.tv_nsec >= 0 && limit.tv_nsec < 1'000'000'000;
}

std::optional<Time> deadline_after(const timespec* limit) {
  if (limit == nullptr) return std::nullopt;
  constexpr time_t most = 86'400;  // a day, as the manual page admits under BUGS
  if (limit->tv_sec >= most) return Clock::now() + std::chrono::seconds(most);
  return Clock::now() + std::chrono::seconds(limit->tv_sec) +
         std::chrono::nanoseconds(limit->tv_nsec);
}

int fail(int error) {
  errno = error;
  return -1;
}

}  // namespace

// These two stand before the C library's, and hand on to them.

extern "C" int close(int descriptor) {
  forget_descriptor(descriptor);
  return really_close(descriptor);
}

extern "C" int dup2(int from, int to) noexcept {
  static const auto next = reinterpret_cast<Duplicate>(dlsym(RTLD_NEXT, "dup2"));
  if (from != to && fcntl(from, F_GETFD) >= 0) forget_descriptor(to);
  return next(from, to);
}

int kqueue() try {
  // Any descriptor would do: it only has to be this process's own, and a number of its own.
  const int descriptor = eventfd(0, EFD_CLOEXEC);
  if (descriptor < 0) return -1;
  static const int handler = pthread_atfork(nullptr, nullptr, close_queues_in_child);
  if (handler != 0) return fail(handler);
  queues().try_emplace(descriptor);
  return descriptor;
} catch (const std::bad_alloc&) {
  return fail(ENOMEM);
}

int kevent(int descriptor, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const timespec* timeout) {
  const auto found = queues().find(descriptor);
  if (found == queues().end()) return fail(EBADF);
  if (change_count < 0 || event_count < 0) return fail(EINVAL);
  Queue& queue = found->second;
  if (queue.thread != std::this_thread::get_id())
    return fail(refuse("one queue, two threads: the model is single-threaded"));

  int errors = 0;
  for (int i = 0; i < change_count; ++i) {
    struct kevent change = changes[i];  // both lists may be the same array
    const int error = apply(queue, change);
    if (error == 0 && (change.flags & EV_RECEIPT) == 0) continue;
    if (errors == event_count) return error == 0 ? errors : fail(error);
    change.flags = EV_ERROR;
    change.data = error;
    events[errors++] = change;
  }
  if (errors > 0 || event_count == 0) return errors;
  if (timeout != nullptr && !is_valid(*timeout)) return fail(EINVAL);
  return wait_for_events(queue, {events, static_cast<std::size_t>(event_count)},
                         deadline_after(timeout));
}
