#include "tests/measure/bench/wakeup_cost.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>

#include "common/error.hpp"
#include "common/socket.hpp"
#include "tests/measure/text_table.hpp"

#ifdef __linux__
#include <sys/epoll.h>
#else
#include <sys/event.h>
#include <sys/time.h>
#endif

namespace {

Descriptor silent_socket() {
  Descriptor made(socket(AF_INET, SOCK_DGRAM, 0));
  if (!made) throw CallFailed("socket", errno);
  // As a server's: and of one that blocks, Linux checks the datagram as often as it is asked.
  set_nonblocking(made.fd());
  return made;
}

// It sends itself a datagram that nobody will read.
void make_ready(int socket) {
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof own;
  auto* address = reinterpret_cast<sockaddr*>(&own);
  if (bind(socket, address, size) < 0) throw CallFailed("bind", errno, socket);
  if (getsockname(socket, address, &size) < 0) throw CallFailed("getsockname", errno, socket);
  if (sendto(socket, "x", 1, 0, address, size) != 1) throw CallFailed("sendto", errno, socket);
  pollfd entry{socket, POLLIN, 0};
  if (poll(&entry, 1, 1'000) != 1) throw CallFailed("poll for a datagram", ETIMEDOUT, socket);
}

// Each of these makes one call, looks through the result as a server has to, and says how many it
// found ready.

std::size_t select_once(const WatchedSockets& watched, const fd_set& wanted) {
  fd_set readable = wanted;  // select writes its answer over the question
  int left = select(watched.highest + 1, &readable, nullptr, nullptr, nullptr);
  if (left < 0) throw CallFailed("select", errno);
  std::size_t found = 0;
  for (std::size_t i = 0; i < watched.fds.size() && left > 0; ++i) {
    if (!FD_ISSET(watched.fds[i], &readable)) continue;
    --left;
    ++found;
  }
  return found;
}

std::size_t poll_once(std::vector<pollfd>& entries) {
  int left = poll(entries.data(), static_cast<nfds_t>(entries.size()), -1);
  if (left < 0) throw CallFailed("poll", errno);
  std::size_t found = 0;
  for (std::size_t i = 0; i < entries.size() && left > 0; ++i) {
    if (entries[i].revents == 0) continue;
    --left;
    ++found;
  }
  return found;
}

#ifdef __linux__

using Event = epoll_event;

Descriptor queue_for(const WatchedSockets& watched) {
  Descriptor queue(epoll_create1(EPOLL_CLOEXEC));
  if (!queue) throw CallFailed("epoll_create1", errno);
  for (const int fd : watched.fds) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(queue.fd(), EPOLL_CTL_ADD, fd, &event) < 0)
      throw CallFailed("epoll_ctl", errno, fd);
  }
  return queue;
}

std::size_t queue_once(int queue, std::vector<Event>& events) {
  const int count = epoll_wait(queue, events.data(), static_cast<int>(events.size()), -1);
  if (count < 0) throw CallFailed("epoll_wait", errno, queue);
  std::size_t found = 0;
  for (int i = 0; i < count; ++i)
    if (events[static_cast<std::size_t>(i)].data.fd >= 0) ++found;
  return found;
}

#else

using Event = struct kevent;

Descriptor queue_for(const WatchedSockets& watched) {
  Descriptor queue(kqueue());
  if (!queue) throw CallFailed("kqueue", errno);
  for (const int fd : watched.fds) {
    Event event;
    EV_SET(&event, static_cast<uintptr_t>(fd), EVFILT_READ, EV_ADD, 0, 0, nullptr);
    if (kevent(queue.fd(), &event, 1, nullptr, 0, nullptr) < 0)
      throw CallFailed("kevent", errno, fd);
  }
  return queue;
}

std::size_t queue_once(int queue, std::vector<Event>& events) {
  const int count =
      kevent(queue, nullptr, 0, events.data(), static_cast<int>(events.size()), nullptr);
  if (count < 0) throw CallFailed("kevent", errno, queue);
  return static_cast<std::size_t>(count);
}

#endif

// Nanoseconds for one call. A call that does not find what is ready has measured something else.
std::optional<double> usual_time(std::size_t ready, std::chrono::nanoseconds time,
                                 const std::function<std::size_t()>& once) {
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < 2; ++i)
    if (once() != ready) return std::nullopt;
  const auto start = Clock::now();
  if (once() != ready) return std::nullopt;
  // The median of many small groups of calls: one in which somebody else took the CPU away does
  // not count more than another. A short call does not pay for the clock alone.
  const int group = Clock::now() - start < std::chrono::microseconds(100) ? 8 : 1;
  std::vector<double> groups;
  for (auto now = start; now - start < time;) {
    const auto before = Clock::now();
    for (int i = 0; i < group; ++i) (void)once();
    now = Clock::now();
    groups.push_back(std::chrono::duration<double, std::nano>(now - before).count() / group);
  }
  return median(std::move(groups));
}

}  // namespace

WatchedSockets::WatchedSockets(std::size_t count, std::size_t most_ready)
    : ready(std::min(count, most_ready)) {
  std::size_t made_ready = 0;
  for (std::size_t i = 0; i < count; ++i) {
    owned.push_back(silent_socket());
    fds.push_back(owned.back().fd());
    if ((i + 1) * ready / count == made_ready) continue;
    make_ready(fds.back());
    ++made_ready;
  }
  highest = *std::max_element(fds.begin(), fds.end());
}

std::string name_of(WaitingCall call) {
  if (call == WaitingCall::select) return "select";
  if (call == WaitingCall::poll) return "poll";
#ifdef __linux__
  return "epoll";
#else
  return "kqueue";
#endif
}

std::optional<double> wakeup_cost(WaitingCall call, const WatchedSockets& watched,
                                  std::chrono::nanoseconds time) {
  if (call == WaitingCall::select) {
    if (watched.highest >= int{FD_SETSIZE}) return std::nullopt;
    fd_set wanted;
    FD_ZERO(&wanted);
    for (const int fd : watched.fds) FD_SET(fd, &wanted);
    return usual_time(watched.ready, time, [&] { return select_once(watched, wanted); });
  }
  if (call == WaitingCall::poll) {
    std::vector<pollfd> entries;
    for (const int fd : watched.fds) entries.push_back({fd, POLLIN, 0});
    return usual_time(watched.ready, time, [&] { return poll_once(entries); });
  }
  const Descriptor queue = queue_for(watched);
  std::vector<Event> events(watched.fds.size());
  return usual_time(watched.ready, time, [&] { return queue_once(queue.fd(), events); });
}
