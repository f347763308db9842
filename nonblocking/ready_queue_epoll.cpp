// ready_queue_epoll.cpp — the Linux back end. Compare it with ready_queue_kqueue.cpp.
#include <sys/epoll.h>

#include <cerrno>

#include "common/error.hpp"
#include "nonblocking/ready_queue.hpp"

namespace two_ways {

namespace {

// EPOLLERR and EPOLLHUP need not be asked for; they always come. They are not looked at either:
// whoever is woken by them tries its recv or send and learns from errno what has happened.
epoll_event event_for(Wait wait, void* owner) {
  epoll_event event{};
  event.events = wait.interest == Interest::readable ? EPOLLIN : EPOLLOUT;
  event.data.ptr = owner;
  return event;
}

}  // namespace

ReadyQueue::ReadyQueue() : queue_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!queue_) throw CallFailed("epoll_create1", errno);
}

bool ReadyQueue::watch(Wait wait, void* owner) {
  epoll_event event = event_for(wait, owner);
  return epoll_ctl(queue_.fd(), EPOLL_CTL_ADD, wait.fd, &event) == 0;
}

// epoll has one entry for a descriptor, and its mask says what for: one call turns it around.
bool ReadyQueue::change(Wait, Wait to, void* owner) {
  epoll_event event = event_for(to, owner);
  return epoll_ctl(queue_.fd(), EPOLL_CTL_MOD, to.fd, &event) == 0;
}

void ReadyQueue::forget(Wait wait) {
  // Fails only if the descriptor is not watched, and then it is forgotten already.
  (void)epoll_ctl(queue_.fd(), EPOLL_CTL_DEL, wait.fd, nullptr);
}

// The kernel forgets a descriptor whose open file is closed for good, and ours are not duplicated
// (epoll(7), "Questions and answers").
void ReadyQueue::forget_before_close(Wait) {}

std::span<void* const> ReadyQueue::wait(int milliseconds) {
  epoll_event events[most_at_once];
  const int count = epoll_wait(queue_.fd(), events, most_at_once, milliseconds);
  if (count < 0) excuse_failed_wait("epoll_wait", errno, queue_.fd());
  for (int i = 0; i < count; ++i) ready_[static_cast<std::size_t>(i)] = events[i].data.ptr;
  return {ready_.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
}

}  // namespace two_ways
