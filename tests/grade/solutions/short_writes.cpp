// short_writes, solved.
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <vector>

#include "blocking/exercises/short_writes/helpers.hpp"
#include "common/http.hpp"
#include "common/socket.hpp"

using namespace two_ways;

namespace {

ssize_t send_pieces(int socket, std::span<iovec> places) {
  msghdr message{};
  message.msg_iov = places.data();
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(places.size());
  ssize_t count;
  do count = sendmsg(socket, &message, 0);
  while (count < 0 && errno == EINTR);
  return count;
}

// Takes the first `count` bytes away, which may end in the middle of a place.
std::span<iovec> without_sent(std::span<iovec> places, std::size_t count) {
  while (!places.empty() && count >= places[0].iov_len) {
    count -= places[0].iov_len;
    places = places.subspan(1);
  }
  if (!places.empty()) {
    places[0].iov_base = static_cast<char*>(places[0].iov_base) + count;
    places[0].iov_len -= count;
  }
  return places;
}

}  // namespace

bool send_all(int socket, std::span<const std::string_view> pieces) {
  std::vector<iovec> all;
  for (const std::string_view piece : pieces)
    if (!piece.empty()) all.push_back({const_cast<char*>(piece.data()), piece.size()});
  std::span<iovec> places = all;
  while (!places.empty()) {
    const ssize_t count = send_pieces(socket, places);
    if (count < 0) return false;
    places = without_sent(places, static_cast<std::size_t>(count));
  }
  return true;
}

std::optional<std::string> RequestReader::next_head() {
  constexpr std::string_view end_of_head = "\r\n\r\n";
  for (;;) {
    // Empty lines before a request are the parser's to skip; they are no end of a head.
    const std::size_t begin = received_.find_first_not_of("\r\n");
    const std::size_t found =
        begin == std::string::npos ? begin : received_.find(end_of_head, begin);
    const bool is_whole = found != std::string::npos;
    if (is_whole || received_.size() > max_request_head) {
      const std::size_t size = is_whole ? found + end_of_head.size() : received_.size();
      std::string head = received_.substr(0, size);
      received_.erase(0, size);
      return head;
    }
    std::array<char, 4096> room;
    const ssize_t count = receive(socket_, room);
    if (count <= 0) return std::nullopt;
    received_.append(room.data(), static_cast<std::size_t>(count));
  }
}
