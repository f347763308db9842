// Correct helpers written another way: no call parks but poll(2), and a byte is looked at once.
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>

#include "blocking/exercises/short_writes/helpers.hpp"
#include "common/http.hpp"

using namespace two_ways;

namespace {

// The timeout that server.cpp has given the socket, in milliseconds; -1 for ever.
int timeout_of(int socket, int direction) {
  timeval limit{};
  socklen_t size = sizeof limit;
  if (getsockopt(socket, SOL_SOCKET, direction, &limit, &size) < 0) return -1;
  const auto milliseconds = limit.tv_sec * 1000 + limit.tv_usec / 1000;
  return milliseconds == 0 ? -1 : static_cast<int>(milliseconds);
}

bool wait_until(int socket, short events, int milliseconds) {
  pollfd one{socket, events, 0};
  int ready;
  do ready = poll(&one, 1, milliseconds);
  while (ready < 0 && errno == EINTR);
  return ready > 0;
}

bool should_wait(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace

bool send_all(int socket, std::span<const std::string_view> pieces) {
  std::string all;
  for (const std::string_view piece : pieces) all += piece;
  std::string_view rest = all;
  while (!rest.empty()) {
    const ssize_t count = send(socket, rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
    if (count >= 0 || errno == EINTR) continue;
    if (!should_wait(errno) || !wait_until(socket, POLLOUT, timeout_of(socket, SO_SNDTIMEO)))
      return false;
  }
  return true;
}

std::optional<std::string> RequestReader::next_head() {
  std::string head;
  for (;;) {
    for (std::size_t i = 0; i < received_.size(); ++i) {
      const char c = received_[i];
      if (head.empty() && (c == '\r' || c == '\n')) continue;  // empty lines before a request
      head += c;
      if (head.ends_with("\r\n\r\n") || head.size() > max_request_head) {
        received_.erase(0, i + 1);
        return head;
      }
    }
    received_.clear();
    std::array<char, 1000> room;
    const ssize_t count = recv(socket_, room.data(), room.size(), MSG_DONTWAIT);
    if (count > 0) {
      received_.assign(room.data(), static_cast<std::size_t>(count));
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count == 0 || !should_wait(errno)) return std::nullopt;
    if (!wait_until(socket_, POLLIN, timeout_of(socket_, SO_RCVTIMEO))) return std::nullopt;
  }
}
