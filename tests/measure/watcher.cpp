#include "tests/measure/watcher.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/error.hpp"

#ifdef __linux__
#include <poll.h>
#include <sys/epoll.h>
#endif

namespace {

// These calls take milliseconds: rounded down, so that no due time is slept through.
int milliseconds(std::chrono::nanoseconds timeout) {
  const auto whole = std::chrono::floor<std::chrono::milliseconds>(timeout).count();
  return static_cast<int>(std::clamp<long long>(whole, 0, 1000));
}

}  // namespace

#ifdef __linux__

namespace {

void control(int queue, int operation, int fd, Watcher::For what, void* owner) {
  epoll_event event{};
  event.events = what == Watcher::For::readable ? EPOLLIN : EPOLLOUT;
  event.data.ptr = owner;
  if (epoll_ctl(queue, operation, fd, &event) < 0) throw CallFailed("epoll_ctl", errno, fd);
}

}  // namespace

Watcher::Watcher() : queue_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!queue_) throw CallFailed("epoll_create1", errno);
}

void Watcher::watch(int fd, For what, void* owner) {
  control(queue_.fd(), EPOLL_CTL_ADD, fd, what, owner);
}

void Watcher::change(int fd, For what, void* owner) {
  control(queue_.fd(), EPOLL_CTL_MOD, fd, what, owner);
}

void Watcher::forget(int fd) {
  control(queue_.fd(), EPOLL_CTL_DEL, fd, For::readable, nullptr);
}

// The last millisecond before a due time: epoll_wait(2) cannot wait for less than a whole one, but
// the queue is a descriptor, and ppoll(2) takes nanoseconds.
void Watcher::wait_briefly(std::chrono::nanoseconds timeout) const {
  pollfd queue{queue_.fd(), POLLIN, 0};
  const timespec time{0, static_cast<long>(std::max<long long>(timeout.count(), 0))};
  if (ppoll(&queue, 1, &time, nullptr) < 0 && errno != EINTR)
    throw CallFailed("ppoll", errno, queue_.fd());
}

std::span<void* const> Watcher::wait(std::chrono::nanoseconds timeout) {
  std::array<epoll_event, 256> events;
  if (milliseconds(timeout) == 0) wait_briefly(timeout);
  const int count = epoll_wait(queue_.fd(), events.data(), static_cast<int>(events.size()),
                               milliseconds(timeout));
  if (count < 0 && errno != EINTR) throw CallFailed("epoll_wait", errno);
  ready_.clear();
  for (int i = 0; i < count; ++i) ready_.push_back(events[static_cast<std::size_t>(i)].data.ptr);
  return ready_;
}

#else

namespace {

short events_for(Watcher::For what) {
  return what == Watcher::For::readable ? POLLIN : POLLOUT;
}

}  // namespace

Watcher::Watcher() = default;

void Watcher::watch(int fd, For what, void* owner) {
  const auto index = static_cast<std::size_t>(fd);
  if (owners_.size() <= index) owners_.resize(index + 1);
  owners_[index] = {owner, watched_.size()};
  watched_.push_back({fd, events_for(what), 0});
}

void Watcher::change(int fd, For what, void*) {
  watched_[owners_[static_cast<std::size_t>(fd)].place].events = events_for(what);
}

void Watcher::forget(int fd) {
  const std::size_t place = owners_[static_cast<std::size_t>(fd)].place;
  watched_[place] = watched_.back();
  owners_[static_cast<std::size_t>(watched_[place].fd)].place = place;
  watched_.pop_back();
}

std::span<void* const> Watcher::wait(std::chrono::nanoseconds timeout) {
  int left = poll(watched_.data(), static_cast<nfds_t>(watched_.size()), milliseconds(timeout));
  if (left < 0 && errno != EINTR) throw CallFailed("poll", errno);
  ready_.clear();
  for (std::size_t i = 0; i < watched_.size() && left > 0; ++i) {
    if (watched_[i].revents == 0) continue;
    --left;
    ready_.push_back(owners_[static_cast<std::size_t>(watched_[i].fd)].owner);
  }
  return ready_;
}

#endif
