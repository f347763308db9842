// one_at_a_time — accepts a client, serves it to its end, accepts the next. While the thread is
// parked on one client, who looks after the others? Nobody: they wait in the backlog.
#include <poll.h>

#include <cerrno>

#include "blocking/straight_line.hpp"
#include "common/acceptor.hpp"
#include "common/context.hpp"
#include "common/handler.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose =
    "One thread serves one client at a time and parks on it; the others wait.";

// Parks until a client waits in the backlog or a stop is asked for.
void wait_for_client(const Acceptor& acceptor, int stop) {
  const Time now = Clock::now();
  pollfd watched[] = {{stop, POLLIN, 0},
                      {acceptor.is_accepting(now) ? acceptor.fd() : -1, POLLIN, 0}};
  if (poll(watched, 2, milliseconds_until(acceptor.resumes_at(now), now)) < 0)
    excuse_failed_poll(watched, errno);
}

void run_server(int argc, char** argv) {
  const Options options = read_options(argc, argv, "apbth", purpose);
  Acceptor acceptor(open_listener(options), Blocking::yes);
  Counters counters;
  Signals signals(counters);
  Context context{handle, signals.stop_requested(), counters, options.backend_port};
  announce(acceptor.fd());

  while (!context.draining) {
    wait_for_client(acceptor, signals.stop_descriptor());
    Counters::count(counters.wakeups);
    if (!acceptor.is_accepting(Clock::now()) || context.draining) continue;
    const Descriptor client = acceptor.next_client(Clock::now());
    if (!client) continue;
    Counters::count(counters.accepted);
    signals.end_stream_on_stop(client.fd());
    serve_client(client.fd(), options.idle_limit, context);  // ...and meanwhile nobody is accepted
    signals.end_stream_on_stop(-1);
    Counters::count(counters.closed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
