// The other half of a test program: it starts the server, and runs the cases of killing_test.cpp.
//
// Usage: build/exercises/killing_test [--server=PROGRAM] [doctest's options]
//   PROGRAM is the server to be tested (default: build/event_loop).
// Exit status: 0 if all cases pass, 1 if one fails, 2 if there is none or no such server.
#if __has_include(<doctest/doctest.h>)  // whoever lacks it is told so by harness.hpp
#define DOCTEST_CONFIG_IMPLEMENT
#include "nonblocking/exercises/killing_test/harness.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>

#include "common/error.hpp"
#include "tests/behaviour/case_counter.hpp"
#include "tests/behaviour/server_process.hpp"

namespace {

constexpr std::chrono::milliseconds patience{3000};
std::string program = "build/event_loop";

bool wait_for(int fd, short events, std::chrono::milliseconds wait) {
  pollfd entry{fd, events, 0};
  const int ready = poll(&entry, 1, static_cast<int>(wait.count()));
  if (ready < 0 && errno != EINTR) throw CallFailed("poll", errno, fd);
  return ready > 0;
}

// The number behind `word` in `head`, which is in the spelling that all our servers use.
std::size_t number_behind(std::string_view head, std::string_view word) {
  std::size_t number = 0;
  const std::size_t place = head.find(word);
  if (place == std::string_view::npos) return 0;
  std::from_chars(head.data() + place + word.size(), head.data() + head.size(), number);
  return number;
}

REGISTER_LISTENER("case counter", 1, CaseCounter);

}  // namespace

// -- the server --

Server::Server(std::vector<std::string> options) {
  Launch launch;
  launch.arguments = std::move(options);
  process_ = std::make_unique<ServerProcess>(program, launch);
}

Server::~Server() = default;

std::uint16_t Server::port() const {
  return process_->port();
}

void Server::ask_to_stop() {
  process_->signal(SIGTERM);
}

std::optional<int> Server::exit_status() {
  const std::optional<int> status = process_->wait_for_end(patience);
  if (!status || !WIFEXITED(*status)) return std::nullopt;
  return WEXITSTATUS(*status);
}

// -- the client --

Client::Client(const Server& server) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
  if (!socket_) throw CallFailed("socket", errno);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw CallFailed("connect", errno, socket_.fd());
  set_nonblocking(socket_.fd());
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send_some(socket_.fd(), bytes);
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
    if (count >= 0) continue;
    if (!is_not_ready(errno) || !wait_for(socket_.fd(), POLLOUT, patience)) return false;
  }
  return true;
}

bool Client::get(std::string_view path) {
  return send("GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

void Client::half_close() {
  (void)shutdown(socket_.fd(), SHUT_WR);
}

bool Client::take_in(std::chrono::milliseconds wait) {
  if (has_ended_ || !wait_for(socket_.fd(), POLLIN, wait)) return false;
  std::array<char, 64 * 1024> room;
  const ssize_t count = receive(socket_.fd(), room);
  if (count < 0 && is_not_ready(errno)) return true;
  if (count <= 0) has_ended_ = true;
  if (count > 0) received_.append(room.data(), static_cast<std::size_t>(count));
  return count > 0;
}

Answer Client::read_head() {
  Answer answer;
  std::size_t end;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos)
    if (!take_in(patience)) return answer;
  answer.head = received_.substr(0, end + 4);
  received_.erase(0, end + 4);
  if (answer.head.starts_with("HTTP/1.1 "))
    answer.status = static_cast<int>(number_behind(answer.head, "HTTP/1.1 "));
  return answer;
}

Answer Client::read_answer() {
  Answer answer = read_head();
  const std::size_t size = number_behind(answer.head, "Content-Length: ");
  while (received_.size() < size && take_in(patience)) {
  }
  answer.body = received_.substr(0, size);
  received_.erase(0, answer.body.size());
  return answer;
}

bool Client::is_closed() {
  if (received_.empty()) (void)take_in(patience);
  return received_.empty() && has_ended_;
}

bool Client::something_comes_within(std::chrono::milliseconds wait) {
  return !received_.empty() || has_ended_ || take_in(wait) || has_ended_;
}

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  (void)setvbuf(stdout, nullptr, _IOLBF,
                BUFSIZ);  // what has failed is told at once, to a pipe, too
  constexpr std::string_view option = "--server=";
  std::vector<const char*> rest;
  for (int i = 0; i < argc; ++i) {
    if (std::string_view(argv[i]).starts_with(option))
      program = argv[i] + option.size();
    else
      rest.push_back(argv[i]);
  }
  if (access(program.c_str(), X_OK) < 0) {
    std::fprintf(stderr, "killing_test: there is no server %s\n", program.c_str());
    return 2;
  }
  doctest::Context context(static_cast<int>(rest.size()), rest.data());
  const int failed = context.run();
  if (context.shouldExit()) return failed;  // -ltc, -h and the like
  return CaseCounter::run > 0 ? failed : 2;
}
#endif
