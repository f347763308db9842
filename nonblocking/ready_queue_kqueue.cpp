// ready_queue_kqueue.cpp — the macOS and BSD back end. Compare it with ready_queue_epoll.cpp.
#include <sys/event.h>
#include <sys/time.h>
#include <sys/types.h>

#include <cerrno>

#include "common/error.hpp"
#include "nonblocking/ready_queue.hpp"

namespace {

// A filter is a (descriptor, what for) pair with an owner of its own. EV_SET, never an
// initialiser: the order and number of struct kevent's fields differ between systems.
struct kevent change_for(Wait wait, unsigned short action, void* owner) {
  struct kevent change;
  const short filter = wait.until == Until::readable ? EVFILT_READ : EVFILT_WRITE;
  EV_SET(&change, static_cast<uintptr_t>(wait.fd), filter, action, 0, 0, owner);
  return change;
}

// With room for no events, kevent(2) applies the changes and reports the first error in errno.
// It does not wait then. Signals are handled after the changes have been applied.
bool apply(int queue, const struct kevent* changes, int count) {
  return kevent(queue, changes, count, nullptr, 0, nullptr) == 0 || errno == EINTR;
}

}  // namespace

ReadyQueue::ReadyQueue() : queue_(kqueue()) {
  // Not inherited across fork(2), so there is no need for close-on-exec in a program that forks
  // before it execs; a queue of ours is never exec'd over.
  if (!queue_) throw CallFailed("kqueue", errno);
}

bool ReadyQueue::watch(Wait wait, void* owner) {
  const struct kevent change = change_for(wait, EV_ADD, owner);
  return apply(queue_.fd(), &change, 1);
}

// kqueue has one filter for reading and another for writing: out with one, in with the other, in
// one call.
bool ReadyQueue::change(Wait from, Wait to, void* owner) {
  const struct kevent changes[] = {change_for(from, EV_DELETE, nullptr),
                                   change_for(to, EV_ADD, owner)};
  return apply(queue_.fd(), changes, 2);
}

void ReadyQueue::forget(Wait wait) {
  // Fails only if the descriptor is not watched, and then it is forgotten already.
  const struct kevent change = change_for(wait, EV_DELETE, nullptr);
  (void)apply(queue_.fd(), &change, 1);
}

std::span<void* const> ReadyQueue::wait(int milliseconds) {
  struct kevent events[most_at_once];
  timespec limit{};
  limit.tv_sec = milliseconds / 1000;
  limit.tv_nsec = milliseconds % 1000 * 1'000'000L;
  const int count =
      kevent(queue_.fd(), nullptr, 0, events, most_at_once, milliseconds < 0 ? nullptr : &limit);
  if (count < 0 && errno != EINTR) throw CallFailed("kevent", errno, queue_.fd());
  for (int i = 0; i < count; ++i) ready_[static_cast<std::size_t>(i)] = events[i].udata;
  return {ready_.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
}
