// signals.hpp — what a server does about signals.
//
// SIGTERM, SIGINT  the first asks for a stop: accept no more, finish what is being answered, end.
//                  The second ends the process at once, as if there were no handler.
// SIGUSR1          prints the counters on stderr, or drops them if stderr cannot take them now. To
//                  everybody else it is an everyday EINTR: SA_RESTART is left out on purpose.
// SIGPIPE          is ignored: sending to a client who has left fails with EPIPE (send(2)).
// SIGXFSZ          likewise: a file that may grow no more is EFBIG (write(2)).
//
// A flag alone would not do. A server that looks at a flag and then waits has a gap between the
// two, and a signal that falls into the gap is slept through. A descriptor has no such gap: it
// becomes readable and stays so (the self-pipe trick).
#pragma once

#include <atomic>

#include "common/counters.hpp"
#include "common/socket.hpp"

namespace two_ways {

// A process has one of these at a time, made by main().
class Signals {
 public:
  // Installs the handlers, and lets their signals through. The counters must live longer. Throws
  // CallFailed.
  explicit Signals(const Counters& counters);
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals();  // from now on they do nothing: the process is about to end

  // Readable from the first SIGTERM or SIGINT on; nobody reads it, so it stays readable.
  int stop_descriptor() const { return stop_reader_.fd(); }

  // Has a stop been asked for?
  const std::atomic<bool>& stop_requested() const { return stopping_; }

  // For a single thread that parks in recv(2) on a blocking socket, where no second descriptor can
  // be watched: from now on the stop also ends that socket's stream, so that recv comes back with
  // 0 now or when it is next called. -1 takes it back; do that before closing the socket.
  void end_stream_on_stop(int socket);

 private:
  static void print_counters(int signal);
  static void ask_for_stop(int signal);

  static inline std::atomic<Signals*> installed_ = nullptr;

  const Counters& counters_;
  Descriptor stop_reader_;
  Descriptor stop_writer_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> stream_to_end_ = -1;
};

// The last two of the list only, for a program with handlers of its own. Throws CallFailed.
void ignore_write_signals();

}  // namespace two_ways
