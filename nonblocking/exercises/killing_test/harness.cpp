// The other half of a test program: it starts the server, and runs the cases of killing_test.cpp.
//
// Usage: build/exercises/killing_test [--server=PROGRAM] [doctest's options]
//   PROGRAM is the server to be tested (default: build/event_loop).
// Exit status: 0 if all cases pass, 1 if one fails, 2 if no case has started a server, or there is
// no such server.
#if __has_include(<doctest/doctest.h>)  // whoever lacks it is told so by harness.hpp
#define DOCTEST_CONFIG_IMPLEMENT
#include "nonblocking/exercises/killing_test/harness.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include "common/error.hpp"
#include "common/program.hpp"

using namespace two_ways;

namespace {

constexpr std::chrono::milliseconds timeout{3000};
std::string program = "build/event_loop";
unsigned servers_started = 0;  // a pattern that names no case would pass as well

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

// Between fork and exec: only what signal-safety(7) lists.
[[noreturn]] void become_server(char* const* words, int output) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  std::signal(SIGPIPE, SIG_DFL);
  const int nothing = open("/dev/null", O_RDWR);
  const bool done = dup2(nothing, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
                    dup2(nothing, STDERR_FILENO) >= 0;
  if (done) execv(words[0], words);
  _exit(127);
}

// The port in "listening on http://127.0.0.1:PORT/", the line that a server prints when it is
// ready.
std::uint16_t read_ready_line(int output) {
  std::string line;
  while (!line.ends_with('\n')) {
    char c;
    if (!wait_for(output, POLLIN, 2 * timeout) || read(output, &c, 1) != 1)
      throw std::runtime_error(program + " prints no ready line");
    line += c;
  }
  const std::string before_port = std::string(ready_words) + "http://127.0.0.1:";
  return static_cast<std::uint16_t>(number_behind(line, before_port));
}

}  // namespace

// -- the server --

Server::Server(std::vector<std::string> options) {
  std::vector<std::string> words{program, "-p", "0"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  int ends[2];
  open_pipe(ends);
  output_ = Descriptor(ends[0]);
  const Descriptor write_end(ends[1]);
  pid_ = fork();
  if (pid_ < 0) throw CallFailed("fork", errno);
  if (pid_ == 0) become_server(pointers.data(), write_end.fd());
  ++servers_started;
  try {
    port_ = read_ready_line(output_.fd());
  } catch (...) {
    end();
    throw;
  }
}

Server::~Server() {
  end();
}

void Server::end() {
  if (status_) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Server::ask_to_stop() {
  if (!status_) kill(pid_, SIGTERM);
}

std::optional<int> Server::exit_status() {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  int status = 0;
  while (!status_ && std::chrono::steady_clock::now() < deadline) {
    if (waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!status_ || !WIFEXITED(*status_)) return std::nullopt;
  return WEXITSTATUS(*status_);
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
    if (!is_not_ready(errno) || !wait_for(socket_.fd(), POLLOUT, timeout)) return false;
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

Response Client::read_head() {
  Response response;
  std::size_t end;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos)
    if (!take_in(timeout)) return response;
  response.head = received_.substr(0, end + 4);
  received_.erase(0, end + 4);
  if (response.head.starts_with("HTTP/1.1 "))
    response.status = static_cast<int>(number_behind(response.head, "HTTP/1.1 "));
  return response;
}

Response Client::read_response() {
  Response response = read_head();
  const std::size_t size = number_behind(response.head, "Content-Length: ");
  while (received_.size() < size && take_in(timeout)) {
  }
  response.body = received_.substr(0, size);
  received_.erase(0, response.body.size());
  return response;
}

bool Client::is_closed() {
  if (received_.empty()) (void)take_in(timeout);
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
  return servers_started > 0 ? failed : 2;
}
#endif
