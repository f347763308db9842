// floor_thread — the floor of a thread parked on each client. See floor.hpp: a yardstick only.
//
// Compare this with blocking/thread_per_connection.cpp.
#include <fcntl.h>
#include <sys/socket.h>

#include <functional>
#include <thread>

#include "common/error.hpp"
#include "tests/measure/floors/floor.hpp"

namespace {

void serve(const FloorResponses& responses, Descriptor client) {
  while (responses.answer(client.fd())) continue;  // parked in recv
}

void run(int listener, const FloorResponses& responses) {
  if (fcntl(listener, F_SETFL, 0) < 0) throw CallFailed("fcntl(F_SETFL)", errno, listener);
  for (;;) {
    Descriptor client(accept(listener, nullptr, nullptr));  // parked in accept
    if (!client) throw CallFailed("accept", errno, listener);
    std::thread(serve, std::cref(responses), std::move(client)).detach();
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_floor(argc, argv, run);
}
