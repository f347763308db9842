// sketch_await — a coroutine for each client. Compare with select_poll/sketch_poll.cpp.
//   g++ -std=c++20 nonblocking/sketch_await.cpp && ./a.out 8080
// Ends it: resets no-reading broken-off flood exhaustion
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <string_view>
#include <vector>

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

// Runs at once, up to the first wait. Nobody asks for a result, and the frame goes at the end.
struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

std::map<int, std::coroutine_handle<>> parked;  // each by the descriptor that it awaits

// co_await Readable{fd} parks the coroutine; the thread returns to whoever called or resumed it.
struct Readable {
  int fd;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) { parked[fd] = coroutine; }
  void await_resume() {}
};

Task serve(int client) {
  constexpr std::string_view response = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
  char head[4096];
  for (std::size_t size = 0;;) {
    co_await Readable{client};
    const auto count = check(recv(client, head + size, sizeof head - size, 0), "recv");
    if (count == 0) break;  // it has left, or its request has no room
    size += static_cast<std::size_t>(count);
    if (!std::string_view(head, size).ends_with("\r\n\r\n")) continue;
    check(send(client, response.data(), response.size(), 0), "send");
    size = 0;
  }
  check(close(client), "close");
}

Task accept_clients(int listener) {
  for (;;) {
    co_await Readable{listener};
    serve(check(accept(listener, nullptr, nullptr), "accept"));
  }
}

int main(int argc, char** argv) {
  accept_clients(open_listener(argc > 1 ? std::atoi(argv[1]) : 8080));
  for (;;) {
    std::vector<pollfd> watched;
    for (const auto& [fd, coroutine] : parked) watched.push_back({fd, POLLIN, 0});
    check(poll(watched.data(), static_cast<nfds_t>(watched.size()), -1), "poll");
    for (const pollfd& one : watched)
      if (one.revents != 0) parked.extract(one.fd).mapped().resume();  // until it parks again
  }
}
