// c10k — your file, and your design: rewrite all of it. This one serves a client to its end and
// then the next, as if nobody else were there. Try: make grade EX=c10k
#include <poll.h>

#include <cerrno>
#include <optional>

#include "common/acceptor.hpp"
#include "common/backend.hpp"
#include "common/handler.hpp"
#include "common/http_codec.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: ten thousand clients.";

// Sends all. False if the client is gone.
bool send_all(int client, HttpCodec& codec) {
  while (codec.has_output()) {
    const ssize_t count = send_some(client, codec.output());
    if (count < 0) return false;
    codec.sent(static_cast<std::size_t>(count));
  }
  return !codec.is_closing();
}

void serve(int client, Context& context) {
  HttpCodec codec(context);
  for (;;) {
    const ssize_t count = receive(client, codec.room());
    codec.received(count);
    if (count <= 0) return;
    while (const std::optional<Request> request = codec.next_request()) {
      const Response response = handle(*request);
      codec.respond(*request, response.is_from_backend ? no_backend() : response);
      if (!send_all(client, codec)) return;
    }
    if (!send_all(client, codec)) return;  // a refusal
  }
}

void run_server(int argc, char** argv) {
  const Options options = read_options(argc, argv, "apbth", purpose);
  Acceptor acceptor(open_listener(options), Blocking::yes);
  Counters counters;
  Signals signals(counters);
  Context context{handle, signals.stop_requested(), counters};
  announce(acceptor.fd());
  while (!context.draining) {
    pollfd watched[] = {{signals.stop_descriptor(), POLLIN, 0}, {acceptor.fd(), POLLIN, 0}};
    if (poll(watched, 2, -1) < 0) excuse_failed_wait("poll", errno);
    if (context.draining || watched[1].revents == 0) continue;
    const Descriptor client = acceptor.next_client(Clock::now());
    if (!client) continue;
    signals.end_stream_on_stop(client.fd());
    serve(client.fd(), context);
    signals.end_stream_on_stop(-1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
