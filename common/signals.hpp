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

// Installs the handlers, and lets their signals through. Returns the descriptor that is readable
// from the first SIGTERM or SIGINT on; nobody reads it, so it stays readable. It lives as long as
// the process. Throws CallFailed.
int install_signal_handlers();

// The last two of the list only, for a program with handlers of its own. Throws CallFailed.
void ignore_write_signals();

// Has a stop been asked for?
bool stop_requested();

// For a single thread that parks in recv(2) on a blocking socket, where no second descriptor can
// be watched: from now on the stop also ends that socket's stream, so that recv comes back with 0
// now or when it is next called. -1 takes it back; do that before closing the socket.
void end_stream_on_stop(int socket);
