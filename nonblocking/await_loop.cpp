// await_loop — the loop of event_loop.hpp over the coroutines of await_conversation.cpp.
#include "nonblocking/await_conversation.hpp"
#include "nonblocking/event_loop.hpp"

namespace {

constexpr const char* purpose =
    "A coroutine for each client, on a thread that epoll_wait(2) or kevent(2) wakes.";

void run_server(int argc, char** argv) {
  EventLoop<AwaitConversation> loop(read_options(argc, argv, "apbth", purpose));
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
