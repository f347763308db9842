// floor.hpp — what the four floors share.
//
// A floor is the least program that can answer over HTTP: one way of waiting, one recv, one send
// of fixed bytes. It parses nothing, times nothing out and refuses nobody. It is the yardstick
// that our servers are measured against, and it is NOT a server to copy.
//
// Gives: the options, the listener with its ready line, and an answer to k requests at once.
// Do:    send it requests of exactly `request_bytes` each, whole ones, as the load generator does.
// Do not: include it from anything that is not a floor.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "common/program.hpp"
#include "common/socket.hpp"

using namespace two_ways;

struct FloorOptions {
  std::size_t response_bytes = 160;  // -l  head and body together
  std::size_t request_bytes = 37;    // -r  how long one request is
  bool closing = false;              // -c  close after each answer
};

inline std::size_t floor_number(const char* text, std::size_t least, std::size_t most) {
  char* end = nullptr;
  const unsigned long number = std::strtoul(text, &end, 10);
  if (end == text || *end != '\0' || number < least || number > most) {
    std::fprintf(stderr, "floor: expected a number from %zu to %zu, not '%s'\n", least, most, text);
    std::exit(2);
  }
  return number;
}

inline FloorOptions read_floor_options(int argc, char** argv) {
  FloorOptions options;
  int letter;
  while ((letter = getopt(argc, argv, "l:r:ch")) != -1) {
    if (letter == 'l') {
      options.response_bytes = floor_number(optarg, 128, 4096);
    } else if (letter == 'r') {
      options.request_bytes = floor_number(optarg, 16, 4096);
    } else if (letter == 'c') {
      options.closing = true;
    } else {
      std::fprintf(letter == 'h' ? stdout : stderr,
                   "usage: %s [-l ANSWER_BYTES] [-r REQUEST_BYTES] [-c]\n"
                   "the least program that can answer; a yardstick, not a server\n",
                   argv[0]);
      std::exit(letter == 'h' ? 0 : 2);
    }
  }
  return options;
}

// One whole answer of the wished length: the body is as long as the head leaves room for.
inline std::string floor_response(const FloorOptions& options) {
  const auto response = [&](std::size_t body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
           std::to_string(body) + "\r\n" + (options.closing ? "Connection: close\r\n" : "") +
           "\r\n" + std::string(body, '.');
  };
  std::size_t body = 1;
  while (response(body).size() < options.response_bytes) ++body;
  return response(body);
}

// Answers requests of a fixed length with fixed bytes.
class FloorResponses {
 public:
  explicit FloorResponses(const FloorOptions& options)
      : request_bytes_(options.request_bytes), closing_(options.closing) {
    const std::string one = floor_response(options);
    one_response_ = one.size();
    for (std::size_t i = 0; i < most_at_once; ++i) responses_ += one;
  }

  // One recv, one send. False: the client has left, or was to be left, and is to be closed.
  bool answer(int client) const {
    // Small, so that a parked thread touches no third page of its stack for it.
    std::array<char, 2048> room;
    const ssize_t received = receive(client, room);
    if (received < 0 && is_not_ready(errno)) return true;
    if (received <= 0) return false;
    std::size_t count = static_cast<std::size_t>(received) / request_bytes_;
    if (count > most_at_once) count = most_at_once;
    const std::string_view bytes(responses_.data(), count * one_response_);
    return send_some(client, bytes) == static_cast<ssize_t>(bytes.size()) && !closing_;
  }

 private:
  static constexpr std::size_t most_at_once = 64;
  std::size_t request_bytes_;
  std::size_t one_response_ = 0;
  bool closing_;
  std::string responses_;
};

// The next client, non-blocking, as a bare descriptor: a table of owners would cost the floor
// memory that it does not need. -1: nobody waits, or there is no room (the client waits on).
inline int accept_and_keep(int listener) {
#ifdef SOCK_CLOEXEC
  return accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
  const int client = accept(listener, nullptr, nullptr);
  if (client >= 0) set_nonblocking(client);
  return client;
#endif
}

// A listener, inherited or on a port that the kernel chooses, after the ready line.
inline Descriptor floor_listener() {
  std::signal(SIGPIPE, SIG_IGN);
  std::optional<Descriptor> inherited = inherited_listener();
  Descriptor listener = inherited ? std::move(*inherited) : listen_on("127.0.0.1", 0);
  announce(listener.fd());
  return listener;
}

// Runs the floor's loop; a call that fails is reported in words.
template <class Loop>
int run_floor(int argc, char** argv, Loop loop) try {
  const FloorResponses responses(read_floor_options(argc, argv));
  const Descriptor listener = floor_listener();
  loop(listener.fd(), responses);
  return 0;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "%s\n", problem.what());
  return 1;
}
