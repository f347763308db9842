// socket_pair.hpp — two connected sockets, and what a test does with its end.
#pragma once

#include <string>
#include <string_view>

#include "common/socket.hpp"
#include "tests/kit/sockets.hpp"

using namespace two_ways;

struct SocketPair {
  Descriptor server;  // the end that the code under test gets
  Descriptor client;  // the test's end; never blocks
};

// A pair whose buffers hold `buffer` bytes each way or little more; 0: as the system gives them.
SocketPair make_pair(Blocking server_blocks, int buffer = 0);

// Sends as much as the other side's buffer takes. Returns how much that was.
std::size_t send_what_fits(int socket, std::string_view bytes);

// Appends what has arrived, `most` bytes at most. False at the end of the stream or if it is
// broken.
bool read_what_is_there(int socket, std::string& bytes, std::size_t most = 1 << 30);

// Is the descriptor readable (or writable) now, or within so many milliseconds?
bool is_ready(int fd, short events, int milliseconds = 0);

// "Date: ..." lines look different every second: puts the same word for each.
std::string without_dates(std::string responses);

// For messages: control characters as \r and \n, the middle of long texts left out.
std::string shown(std::string_view bytes);
