// await_loop — the loop of event_loop.hpp over the coroutines of await_conversation.cpp.
#include "nonblocking/await_conversation.hpp"
#include "nonblocking/event_loop.hpp"

namespace {

constexpr const char* purpose =
    "One thread serves all clients, each in a coroutine; epoll_wait(2) or kevent(2) says who is "
    "ready.";

void run_server(int argc, char** argv) {
  EventLoop<AwaitConversation> loop(read_options(argc, argv, "apbth", purpose));
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
