// straight_line.hpp — one client's requests and responses, as a straight line.
//
// Read, ask the backend, write: the thread is parked in recv(2), connect(2) or send(2) until the
// kernel has something for it. Both servers in this folder serve their clients with it.
// Compare with common/conversation.cpp, the same conversation cut at every wait, and with
// nonblocking/await_conversation.cpp, where the compiler does the cutting.
#pragma once

#include "common/context.hpp"
#include "common/options.hpp"

namespace two_ways {

// Serves the client of a blocking socket to its end; returns when the conversation is over. The
// client has so much time from one step to the next. The socket stays the caller's. Threads that
// share a context must share its buffers. Never throws: without memory the conversation is over.
void serve_client(int socket, Seconds time_limit, Context& context) noexcept;

}  // namespace two_ways
