// edge_queue_epoll.cpp — the Linux back end. This file is finished.
#include <sys/epoll.h>

#include <cerrno>

#include "common/error.hpp"
#include "common/wait.hpp"
#include "nonblocking/exercises/edge_triggered/edge_queue.hpp"

using namespace two_ways;

EdgeQueue::EdgeQueue() : queue_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!queue_) throw CallFailed("epoll_create1", errno);
}

bool EdgeQueue::watch(int fd, void* owner) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.ptr = owner;
  return epoll_ctl(queue_.fd(), EPOLL_CTL_ADD, fd, &event) == 0;
}

std::span<void* const> EdgeQueue::wait(int milliseconds) {
  epoll_event events[most_at_once];
  const int count = epoll_wait(queue_.fd(), events, most_at_once, milliseconds);
  if (count < 0) excuse_failed_wait("epoll_wait", errno, queue_.fd());
  for (int i = 0; i < count; ++i) ready_[static_cast<std::size_t>(i)] = events[i].data.ptr;
  return {ready_.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
}
