// floor_poll — the floor of poll(2). See floor.hpp: a yardstick only.
//
// Compare this with select_poll/poll_loop.cpp.
#include <poll.h>

#include <vector>

#include "common/error.hpp"
#include "tests/measure/floors/floor.hpp"

namespace {

void accept_all(int listener, std::vector<pollfd>& watched) {
  for (;;) {
    const int client = accept_and_keep(listener);
    if (client < 0) return;
    watched.push_back({client, POLLIN, 0});
  }
}

void run(int listener, const FloorResponses& responses) {
  std::vector<pollfd> watched{{listener, POLLIN, 0}};
  for (;;) {
    int left = poll(watched.data(), static_cast<nfds_t>(watched.size()), -1);
    if (left < 0) throw CallFailed("poll", errno);
    // Backwards, so that the one moved into a gap has been looked at already.
    for (std::size_t i = watched.size(); i-- > 1 && left > 0;) {
      if (watched[i].revents == 0) continue;
      --left;
      if (responses.answer(watched[i].fd)) continue;
      close(watched[i].fd);
      watched[i] = watched.back();
      watched.pop_back();
    }
    if (watched[0].revents != 0) accept_all(listener, watched);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_floor(argc, argv, run);
}
