// event_loop — the loop of event_loop.hpp over the continuations of common/conversation.cpp.
#include "nonblocking/event_loop.hpp"

#include "common/conversation.hpp"
#include "common/handler.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose =
    "One thread serves all clients; epoll_wait(2) or kevent(2) says who is ready.";

void run_server(int argc, char** argv) {
  const Options options = read_options(argc, argv, "apbth", purpose);
  Acceptor acceptor(open_listener(options), Blocking::no);
  Counters counters;
  Signals signals(counters);
  Context context{handle, signals.stop_requested(), counters, options.backend_port};
  EventLoop<Conversation> loop(acceptor, signals.stop_descriptor(), options.idle_limit, context);
  announce(acceptor.fd());
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
