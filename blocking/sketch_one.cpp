// sketch_one — a server. It parks on one client, and the others wait in line.
//   g++ -std=c++20 blocking/sketch_one.cpp && ./a.out 8080
// Ends it: resets no-reading broken-off flood exhaustion
// Stalls it: silence bytewise slowloris crowd
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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
  for (;;) {
    const int client = check(accept(listener, nullptr, nullptr), "accept");
    while (serve(client)) continue;
    check(close(client), "close");
  }
}
