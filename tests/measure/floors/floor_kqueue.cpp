// floor_kqueue — the floor of kqueue(2). See floor.hpp: a yardstick only.
//
// Compare this with nonblocking/event_loop.cpp.
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)

#include <sys/types.h>
// sys/event.h needs sys/types.h before it.
#include <sys/event.h>

#include "common/error.hpp"
#include "tests/measure/floors/floor.hpp"

namespace {

void watch(int queue, int fd) {
  struct kevent change;
  EV_SET(&change, static_cast<uintptr_t>(fd), EVFILT_READ, EV_ADD, 0, 0, nullptr);
  if (kevent(queue, &change, 1, nullptr, 0, nullptr) < 0) throw CallFailed("kevent", errno, fd);
}

void accept_all(int queue, int listener) {
  for (;;) {
    const int client = accept_and_keep(listener);
    if (client < 0) return;
    watch(queue, client);
  }
}

void run(int listener, const FloorResponses& responses) {
  const Descriptor queue(kqueue());
  if (!queue) throw CallFailed("kqueue", errno);
  watch(queue.fd(), listener);
  std::array<struct kevent, 256> ready;
  for (;;) {
    const int count =
        kevent(queue.fd(), nullptr, 0, ready.data(), static_cast<int>(ready.size()), nullptr);
    if (count < 0) throw CallFailed("kevent", errno);
    for (int i = 0; i < count; ++i) {
      const int fd = static_cast<int>(ready[static_cast<std::size_t>(i)].ident);
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
  std::fputs("floor_kqueue: this system has no kqueue; see floor_epoll\n", stderr);
  return 1;
}

#endif
