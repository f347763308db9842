// ready_queue_kqueue.cpp — the macOS and BSD back end. Compare it with ready_queue_epoll.cpp.
#include <sys/types.h>
// Older systems' sys/event.h cannot stand before sys/types.h.
#include <sys/event.h>
#include <sys/time.h>

#include <cerrno>

#include "common/error.hpp"
#include "nonblocking/ready_queue.hpp"

namespace two_ways {

namespace {

// What a filter keeps of its owner: void*, but before NetBSD 10 intptr_t.
using Kept = decltype(kevent::udata);

// A filter is a (descriptor, what for) pair with an owner of its own. EV_SET, never an
// initialiser: the order, number and types of struct kevent's fields differ between systems.
//
// What else an event says is not looked at: whoever is woken tries its recv or send and learns
// from that what has happened. EV_EOF for reading can come with bytes still unread. EV_EOF for
// writing means that send will fail; it stays, so do not go on watching after that failure. `data`
// is old news, and fflags tells the error on some systems only.
struct kevent change_for(Wait wait, unsigned short action, void* owner) {
  struct kevent change;
  const decltype(kevent::filter) filter =
      wait.interest == Interest::readable ? EVFILT_READ : EVFILT_WRITE;
  EV_SET(&change, static_cast<uintptr_t>(wait.fd), filter, action, 0, 0,
         reinterpret_cast<Kept>(owner));
  return change;
}

// With no room for events, kevent(2) does not wait: it applies the changes up to the first that
// fails. If a signal interrupts it, all have been applied. The length of a list is an int, on
// NetBSD a size_t: a constant can be either.
template <int count>
bool apply(int queue, const struct kevent (&changes)[count]) {
  return kevent(queue, changes, count, nullptr, 0, nullptr) == 0 || errno == EINTR;
}

}  // namespace

// kqueue() takes no flag for close-on-exec and needs none: a child of fork(2) does not inherit it.
ReadyQueue::ReadyQueue() : queue_(kqueue()) {
  if (!queue_) throw CallFailed("kqueue", errno);
}

bool ReadyQueue::watch(Wait wait, void* owner) {
  const struct kevent changes[] = {change_for(wait, EV_ADD, owner)};
  return apply(queue_.fd(), changes);
}

// kqueue has one filter for reading and another for writing: out with one, in with the other, in
// one call.
bool ReadyQueue::change(Wait from, Wait to, void* owner) {
  const struct kevent changes[] = {change_for(from, EV_DELETE, nullptr),
                                   change_for(to, EV_ADD, owner)};
  return apply(queue_.fd(), changes);
}

void ReadyQueue::forget(Wait wait) {
  // Fails only if the descriptor is not watched, and then it is forgotten already.
  const struct kevent changes[] = {change_for(wait, EV_DELETE, nullptr)};
  (void)apply(queue_.fd(), changes);
}

// The kernel forgets a closed descriptor, too. But to delete the filter first costs little and
// keeps an event that was under way from being told afterwards.
void ReadyQueue::forget_before_close(Wait wait) {
  forget(wait);
}

std::span<void* const> ReadyQueue::wait(int milliseconds) {
  struct kevent events[most_at_once];
  timespec limit{};
  limit.tv_sec = milliseconds / 1000;
  limit.tv_nsec = milliseconds % 1000 * 1'000'000L;
  const int count =
      kevent(queue_.fd(), nullptr, 0, events, most_at_once, milliseconds < 0 ? nullptr : &limit);
  if (count < 0) excuse_failed_wait("kevent", errno, queue_.fd());
  for (int i = 0; i < count; ++i)
    ready_[static_cast<std::size_t>(i)] = reinterpret_cast<void*>(events[i].udata);
  return {ready_.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
}

}  // namespace two_ways
