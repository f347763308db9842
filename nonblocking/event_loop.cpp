// event_loop — the loop of event_loop.hpp over the continuations of common/conversation.cpp.
#include "nonblocking/event_loop.hpp"

#include "common/conversation.hpp"

namespace {

constexpr const char* purpose =
    "One thread serves all clients; epoll_wait(2) or kevent(2) says who is ready.";

void run_server(int argc, char** argv) {
  EventLoop<Conversation> loop(read_options(argc, argv, "apbth", purpose));
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
