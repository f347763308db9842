// Your file. Both helpers work when you try them by hand, and both believe something about
// send(2) and recv(2) that is not true. Try: make grade EX=short_writes
#include "blocking/exercises/short_writes/helpers.hpp"

#include <sys/socket.h>

#include <array>

#include "common/http.hpp"
#include "common/socket.hpp"

using namespace two_ways;

bool send_all(int socket, std::span<const std::string_view> pieces) {
  for (const std::string_view piece : pieces)
    if (send_some(socket, piece) < 0) return false;
  return true;
}

std::optional<std::string> RequestReader::next_head() {
  std::array<char, 4096> room;
  const ssize_t count = receive(socket_, room);
  if (count <= 0) return std::nullopt;
  return std::string(room.data(), static_cast<std::size_t>(count));
}
