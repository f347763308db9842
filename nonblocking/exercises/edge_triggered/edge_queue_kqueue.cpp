// edge_queue_kqueue.cpp — the back end for macOS and the BSDs. This file is finished.
#include <fcntl.h>
#include <sys/event.h>
#include <sys/time.h>

#include <cerrno>

#include "common/error.hpp"
#include "common/wait.hpp"
#include "nonblocking/exercises/edge_triggered/edge_queue.hpp"

using namespace two_ways;

EdgeQueue::EdgeQueue() : queue_(kqueue()) {
  if (!queue_) throw CallFailed("kqueue", errno);
  if (fcntl(queue_.fd(), F_SETFD, FD_CLOEXEC) < 0) throw CallFailed("fcntl", errno, queue_.fd());
}

bool EdgeQueue::watch(int fd, void* owner) {
  const auto ident = static_cast<uintptr_t>(fd);
  const auto kept = reinterpret_cast<decltype(kevent::udata)>(owner);  // NetBSD < 10: intptr_t
  struct kevent changes[2];
  EV_SET(&changes[0], ident, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, kept);
  EV_SET(&changes[1], ident, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, kept);
  if (kevent(queue_.fd(), &changes[0], 1, nullptr, 0, nullptr) < 0) return false;
  // A listener or a pipe's reading end is never writable, and some systems say so.
  (void)kevent(queue_.fd(), &changes[1], 1, nullptr, 0, nullptr);
  return true;
}

std::span<void* const> EdgeQueue::wait(int milliseconds) {
  struct kevent events[most_at_once];
  const timespec limit{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  const int count =
      kevent(queue_.fd(), nullptr, 0, events, most_at_once, milliseconds < 0 ? nullptr : &limit);
  if (count < 0) excuse_failed_wait("kevent", errno, queue_.fd());
  for (int i = 0; i < count; ++i)
    ready_[static_cast<std::size_t>(i)] = reinterpret_cast<void*>(events[i].udata);
  return {ready_.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
}
