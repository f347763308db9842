// floor_epoll — the floor of epoll(7). See floor.hpp: a yardstick only.
//
// Compare this with nonblocking/event_loop.cpp.
#ifdef __linux__

#include <sys/epoll.h>

#include "common/error.hpp"
#include "tests/measure/floors/floor.hpp"

namespace {

void watch(int queue, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) < 0) throw CallFailed("epoll_ctl", errno, fd);
}

void accept_all(int queue, int listener) {
  for (;;) {
    const int client = accept_and_keep(listener);
    if (client < 0) return;
    watch(queue, client);
  }
}

void run(int listener, const FloorResponses& responses) {
  const Descriptor queue(epoll_create1(EPOLL_CLOEXEC));
  if (!queue) throw CallFailed("epoll_create1", errno);
  watch(queue.fd(), listener);
  std::array<epoll_event, 256> ready;
  for (;;) {
    const int count = epoll_wait(queue.fd(), ready.data(), static_cast<int>(ready.size()), -1);
    if (count < 0) throw CallFailed("epoll_wait", errno);
    for (int i = 0; i < count; ++i) {
      const int fd = ready[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        accept_all(queue.fd(), listener);
      } else if (!responses.answer(fd)) {
        close(fd);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_floor(argc, argv, run);
}

#else

#include <cstdio>

int main() {
  std::fputs("floor_epoll: this system has no epoll; see floor_kqueue\n", stderr);
  return 1;
}

#endif
