// sketch_select — one thread asks about all, by bitmap. Compare with sketch_poll.cpp.
//   g++ -std=c++20 select_poll/sketch_select.cpp && ./a.out 8080
// Ends it: resets no-reading broken-off flood exhaustion crowd
// Stalls it: bytewise slowloris
#include <netinet/in.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <string_view>

auto check(auto result, const char* call) {
  if (result < 0) std::perror(call), _exit(1);
  return result;
}

int open_listener(int port) {
  const int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
  const int on = 1;  // the port is free again as soon as this ends
  check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  check(listen(listener, SOMAXCONN), "listen");
  check(dprintf(STDOUT_FILENO, "listening on http://127.0.0.1:%d/\n", port), "dprintf");
  return listener;
}

bool serve(int client) {
  constexpr std::string_view response = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
  char head[4096];
  for (std::size_t size = 0; !std::string_view(head, size).ends_with("\r\n\r\n");) {
    const auto count = check(recv(client, head + size, sizeof head - size, 0), "recv");
    if (count == 0) return false;  // it has left, or its request has no room
    size += static_cast<std::size_t>(count);
  }
  return check(send(client, response.data(), response.size(), 0), "send") > 0;
}

int main(int argc, char** argv) {
  const int listener = open_listener(argc > 1 ? std::atoi(argv[1]) : 8080);
  fd_set watched;
  FD_ZERO(&watched);
  FD_SET(listener, &watched);
  for (;;) {
    fd_set ready = watched;  // of which select leaves those that are ready
    check(select(FD_SETSIZE, &ready, nullptr, nullptr, nullptr), "select");
    for (int fd = 0; fd < FD_SETSIZE; ++fd) {
      if (!FD_ISSET(fd, &ready)) continue;
      if (fd == listener) {
        const int client = check(accept(listener, nullptr, nullptr), "accept");
        assert(client < FD_SETSIZE);  // FD_SET would write beyond the bitmap
        FD_SET(client, &watched);
      } else if (!serve(fd)) {
        FD_CLR(fd, &watched);
        check(close(fd), "close");
      }
    }
  }
}
