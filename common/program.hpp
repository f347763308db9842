// program.hpp — how every server begins and ends.
#pragma once

#include <cstddef>

#include "common/options.hpp"
#include "common/socket.hpp"

namespace two_ways {

// The listener that a parent process has handed down, or a new one as the options say. The caller
// owns it. Throws CallFailed, and std::invalid_argument for an address that is none or a backend
// that would be this server itself.
Descriptor open_listener(const Options& options);

// What the ready line begins with; behind it stands the place.
inline constexpr const char* ready_words = "listening on ";

// Prints the ready line, which says where the server listens: "http://127.0.0.1:8080/", or
// "unix:/run/x" if it was handed down such a listener. Throws CallFailed.
void announce(int listener);

// Raises this process's soft limit of descriptors to the hard one, for itself and for what it
// starts. The soft one is 1,024 by custom, for the sake of programs that put any descriptor into an
// fd_set (select(2)). Returns the limit from now on: the one before where it cannot be raised.
std::size_t raise_descriptor_limit();

// Runs a program's body and turns what it throws into a line on stderr. Before that, it sees to
// what may be wrong with the process from birth: 0, 1 and 2 are open afterwards, on /dev/null if
// they were closed, the stack is large enough, and it has as many descriptors as it may have.
// Returns the exit status: 0 for a proper end, 1 for a call that failed, 2 for an address that is
// none.
int run_program(int argc, char** argv, void (*body)(int argc, char** argv));

}  // namespace two_ways
