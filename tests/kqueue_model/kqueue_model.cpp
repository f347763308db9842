// kqueue_model.cpp — a model of kqueue(2) and kevent(2), for tests on Linux.
//
// It is made of two epoll sets, one for each filter, and a third that watches the two; and it is
// not a kernel: what passes on it has passed on a model.
//
// Modelled is what this project uses, as FreeBSD, NetBSD and macOS agree on it: EVFILT_READ and
//   EVFILT_WRITE on sockets and pipes, two registrations with a udata each; EV_ADD, of what is
//   there already too (it gets the new udata); EV_DELETE; EV_CLEAR; changes without room for
//   events, applied up to the first that fails, which is in errno (EBADF, EINVAL, ENOENT, ENOMEM);
//   the wait, with EINTR; registrations end with their descriptor (close, dup2), whatever copies
//   of it are open; a child of fork has no queue; of more ready events than fit, the others come
//   next. And, for it is missing on macOS and OpenBSD: SO_ACCEPTCONN cannot be asked.
// Refused, in words on stderr and with ENOTSUP: everything else that can be noticed.
// Not modelled: the data and fflags of an event (they are ~0), and that it says EV_EOF: our servers
//   look at none of them, since systems differ.
// Where it differs: a kernel may tell an edge once more than the model does (a write filter's at
//   each acknowledgement, for example), and it is silent about a socket that was never connected.
//
// Single-threaded: all calls about queues and watched descriptors must come from one thread, and
// none from a signal handler.
//
// With KQUEUE_MODEL_STRICT in the environment, to delete what is not registered ends the process.
// The kernel only says ENOENT or EBADF. But whoever believes in a registration that has ended with
// its descriptor would soon delete that of the number's next owner.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <new>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "common/wait.hpp"

using namespace two_ways;

namespace {

struct Registration {
  uint16_t flags;
  void* udata;
};

// The registrations of one filter, and the epoll set that says which of them are ready.
struct Filter {
  int16_t name;
  int epoll;
  std::map<int, Registration> registrations;  // by descriptor
};

struct Queue {
  std::array<Filter, 2> filters = {{{EVFILT_READ, -1, {}}, {EVFILT_WRITE, -1, {}}}};
  std::thread::id thread = std::this_thread::get_id();
};

// By descriptor, which is that of the set that watches the two. Never destroyed: descriptors are
// closed until the very end of a program.
std::map<int, Queue>& queues() {
  static auto& all = *new std::map<int, Queue>;
  return all;
}

int refuse(const char* what) {
  std::fprintf(stderr, "kqueue model: %s\n", what);
  return ENOTSUP;
}

int fail(int error) {
  errno = error;
  return -1;
}

// The C library's function that one of ours stands before; it may be a fault-injecting one.
template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

int really_close(int descriptor) {
  static const auto function = next<int(int)>("close");
  return function(descriptor);
}

// -- registrations end with their descriptor --

void forget_descriptor(int descriptor) {
  for (auto& [number, queue] : queues())
    for (Filter& filter : queue.filters)
      if (filter.registrations.erase(descriptor) != 0)
        (void)epoll_ctl(filter.epoll, EPOLL_CTL_DEL, descriptor, nullptr);
  const auto queue = queues().find(descriptor);
  if (queue == queues().end()) return;
  for (const Filter& filter : queue->second.filters) really_close(filter.epoll);
  queues().erase(queue);
}

// A queue is not inherited by a child of fork.
void close_queues_in_child() {
  while (!queues().empty()) {
    const int descriptor = queues().begin()->first;
    forget_descriptor(descriptor);
    really_close(descriptor);
  }
}

// -- changes --

uint32_t polled_for(const struct kevent& change) {
  const uint32_t what = change.filter == EVFILT_READ ? EPOLLIN | EPOLLRDHUP : EPOLLOUT;
  return (change.flags & EV_CLEAR) != 0 ? what | EPOLLET : what;
}

// These return 0 or an errno value.

int add(Filter& filter, int descriptor, const struct kevent& change) {
  const bool was_there = filter.registrations.contains(descriptor);
  filter.registrations[descriptor] = {change.flags, change.udata};
  epoll_event event{};
  event.events = polled_for(change);
  event.data.fd = descriptor;
  const int action = was_there ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(filter.epoll, action, descriptor, &event) == 0) return 0;
  const int error = errno;
  filter.registrations.erase(descriptor);
  return error == EPERM ? refuse("only sockets and pipes can be watched") : error;
}

int remove(Filter& filter, int descriptor) {
  if (epoll_ctl(filter.epoll, EPOLL_CTL_DEL, descriptor, nullptr) == 0) {
    filter.registrations.erase(descriptor);
    return 0;
  }
  const int error = errno;
  if (std::getenv("KQUEUE_MODEL_STRICT") == nullptr) return error;
  std::fprintf(stderr, "kqueue model: filter %d of descriptor %d is deleted, and not there\n",
               filter.name, descriptor);
  std::abort();
}

int apply(Queue& queue, const struct kevent& change) try {
  if (change.ident > static_cast<uintptr_t>(std::numeric_limits<int>::max())) return EBADF;
  if (change.fflags != 0 || change.data != 0) return refuse("no fflags and no data are modelled");
  const int descriptor = static_cast<int>(change.ident);
  for (Filter& filter : queue.filters) {
    if (filter.name != change.filter) continue;
    if (change.flags == EV_DELETE) return remove(filter, descriptor);
    if ((change.flags & ~EV_CLEAR) == EV_ADD) return add(filter, descriptor, change);
    return refuse("a change is EV_ADD, with or without EV_CLEAR, or EV_DELETE here");
  }
  return change.filter >= 0 ? EINVAL : refuse("a filter that is not modelled");
} catch (const std::bad_alloc&) {
  return ENOMEM;
}

// -- waiting --

// Fills `room` with what is ready, as far as it goes. Returns how many. Waits for nothing.
int collect(const Filter& filter, std::span<struct kevent> room) {
  std::array<epoll_event, 256> ready;
  const auto most = static_cast<int>(std::min(ready.size(), room.size()));
  const int count = most > 0 ? epoll_wait(filter.epoll, ready.data(), most, 0) : 0;
  for (int i = 0; i < count; ++i) {
    const auto place = static_cast<std::size_t>(i);
    const int descriptor = ready[place].data.fd;
    const Registration& registration = filter.registrations.at(descriptor);
    EV_SET(&room[place], static_cast<uintptr_t>(descriptor), filter.name,
           registration.flags & EV_CLEAR, ~uint32_t{0}, ~intptr_t{0}, registration.udata);
  }
  return std::max(0, count);
}

int wait_for_events(int descriptor, std::span<struct kevent> room, std::optional<Time> deadline) {
  auto& [first, second] = queues().at(descriptor).filters;
  for (;;) {
    std::array<epoll_event, 2> sets;
    if (epoll_wait(descriptor, sets.data(), 2, milliseconds_until(deadline, Clock::now())) < 0)
      return -1;
    const int begun = collect(first, room);
    const int count = begun + collect(second, room.subspan(static_cast<std::size_t>(begun)));
    std::swap(first, second);  // neither has to wait until the other is silent
    if (count > 0) return count;
    if (deadline && *deadline <= Clock::now()) return 0;
  }
}

bool is_valid(const timespec& limit) {
  return limit.tv_sec >= 0 && limit.tv_nsec >= 0 && limit.tv_nsec < 1'000'000'000;
}

std::optional<Time> deadline_after(const timespec* limit) {
  if (limit == nullptr) return std::nullopt;
  constexpr time_t most = 86'400;  // a day, as the manual page admits under BUGS
  return Clock::now() + std::chrono::seconds(std::min(limit->tv_sec, most)) +
         std::chrono::nanoseconds(limit->tv_nsec);
}

}  // namespace

// These three stand before the C library's, and hand on to them.

extern "C" int close(int descriptor) {
  forget_descriptor(descriptor);
  return really_close(descriptor);
}

extern "C" int dup2(int from, int to) noexcept {
  static const auto function = next<int(int, int)>("dup2");
  if (from != to && fcntl(from, F_GETFD) >= 0) forget_descriptor(to);
  return function(from, to);
}

extern "C" int getsockopt(int socket, int level, int option, void* value,
                          socklen_t* length) noexcept {
  static const auto function = next<int(int, int, int, void*, socklen_t*)>("getsockopt");
  const int result = function(socket, level, option, value, length);
  if (result == 0 && level == SOL_SOCKET && option == SO_ACCEPTCONN) return fail(ENOPROTOOPT);
  return result;
}

int kqueue() try {
  static const int handler = pthread_atfork(nullptr, nullptr, close_queues_in_child);
  if (handler != 0) return fail(handler);
  const int descriptor = epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) return -1;
  Queue& queue = queues()[descriptor];
  for (Filter& filter : queue.filters) {
    filter.epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_ctl(descriptor, EPOLL_CTL_ADD, filter.epoll, &event) == 0) continue;
    close(descriptor);  // and what there is of the two
    return fail(EMFILE);
  }
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
  if (change_count > 0 && event_count > 0)
    return fail(refuse("changes and a wait in one call are not modelled"));

  for (int i = 0; i < change_count; ++i)
    if (const int error = apply(queue, changes[i]); error != 0) return fail(error);
  if (event_count == 0) return 0;
  if (timeout != nullptr && !is_valid(*timeout)) return fail(EINVAL);
  return wait_for_events(descriptor, {events, static_cast<std::size_t>(event_count)},
                         deadline_after(timeout));
}
