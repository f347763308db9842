// floor_select — the floor of select(2). See floor.hpp: a yardstick only.
//
// Compare this with select_poll/select_loop.cpp.
#include <sys/select.h>

#include "common/error.hpp"
#include "tests/measure/floors/floor.hpp"

namespace {

int accept_all(int listener, fd_set& watched, int highest) {
  for (;;) {
    const int client = accept_and_keep(listener);
    if (client < 0) return highest;
    if (client >= int{FD_SETSIZE}) {
      close(client);  // does not fit
      continue;
    }
    FD_SET(client, &watched);
    if (client > highest) highest = client;
  }
}

void run(int listener, const FloorResponses& responses) {
  fd_set watched;
  FD_ZERO(&watched);
  FD_SET(listener, &watched);
  int highest = listener;
  for (;;) {
    fd_set ready = watched;
    int left = select(highest + 1, &ready, nullptr, nullptr, nullptr);
    if (left < 0) throw CallFailed("select", errno);
    const int last = highest;
    for (int fd = 0; fd <= last && left > 0; ++fd) {
      if (!FD_ISSET(fd, &ready)) continue;
      --left;
      if (fd == listener) {
        highest = accept_all(listener, watched, highest);
      } else if (!responses.answer(fd)) {
        FD_CLR(fd, &watched);
        close(fd);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_floor(argc, argv, run);
}
