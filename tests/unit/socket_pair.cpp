#include "tests/unit/socket_pair.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "common/error.hpp"
#include "tests/kit/response.hpp"

SocketPair make_pair(Blocking server_blocks, int buffer) {
  std::signal(SIGPIPE, SIG_IGN);  // as the servers do
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) throw CallFailed("socketpair", errno);
  SocketPair pair{Descriptor(ends[0]), Descriptor(ends[1])};
  if (buffer != 0)
    for (const int end : ends)
      for (const int which : {SO_SNDBUF, SO_RCVBUF})
        if (setsockopt(end, SOL_SOCKET, which, &buffer, sizeof buffer) < 0)
          throw CallFailed("setsockopt", errno, end);
  set_nonblocking(pair.client.fd());
  if (server_blocks == Blocking::no) set_nonblocking(pair.server.fd());
  return pair;
}

std::size_t send_what_fits(int socket, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = send_some(socket, bytes.substr(done));
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

bool read_what_is_there(int socket, std::string& bytes, std::size_t most) {
  std::array<char, 16 * 1024> room;
  while (most > 0) {
    const ssize_t count = receive(socket, std::span(room).first(std::min(most, room.size())));
    if (count < 0) return is_not_ready(errno);
    if (count == 0) return false;
    bytes.append(room.data(), static_cast<std::size_t>(count));
    most -= static_cast<std::size_t>(count);
  }
  return true;
}

bool is_ready(int fd, short events, int milliseconds) {
  pollfd watched{fd, events, 0};
  return poll(&watched, 1, milliseconds) > 0;
}

std::string without_dates(std::string responses) {
  constexpr std::string_view name = "\r\nDate: ";
  constexpr std::string_view moment = "Sun, 06 Nov 1994 08:49:37 GMT";
  for (std::size_t at = 0; (at = responses.find(name, at)) != std::string::npos;) {
    at += name.size();
    const bool whole = responses.size() - at >= moment.size();
    if (whole && responses.compare(at + moment.size() - 4, 4, " GMT") == 0)
      responses.replace(at, moment.size(), "(now)");
  }
  return responses;
}

std::string shown(std::string_view bytes) {
  constexpr std::size_t most = 600;
  if (bytes.size() <= most) return readable(bytes, most);
  return readable(bytes.substr(0, most / 2), most) + " [... " +
         std::to_string(bytes.size() - most) + " bytes ...] " +
         readable(bytes.substr(bytes.size() - most / 2), most);
}
