// soak_client.hpp — one client of a soak, good or bad, which takes nothing for granted.
//
// Every request carries a word of its own, and every response is looked at to the last byte: is it
// whole, is it in its turn, is it the response to what this client has asked? A connection that
// ends is no failure; a response that is wrong, or nobody's, is.
//
// Do:    call step() whenever its descriptor is ready, and now and then.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/socket.hpp"

using namespace two_ways;

enum class Manner {
  one_by_one,  // asks, reads, asks again
  pipelined,   // asks for many things at once
  rows,        // asks for what the server must ask its backend for
  large,       // reads a long response as fast as it can
  trickling,   // sends its requests byte by byte
  slow,        // reads a long response in small pieces
  halved,      // closes its sending side behind its requests
  resetting,   // goes away in the middle of something
  garbling,    // sends what is no request
  silent,      // connects, and waits
  unreading,   // asks for millions of bytes, and reads none
};
inline constexpr int manners = 11;

// What the clients of a soak have seen in all.
struct Sightings {
  std::uint64_t clients = 0;
  std::uint64_t requests = 0;  // whole ones that have been sent
  std::uint64_t right = 0;     // whole responses that were right
  std::uint64_t refusals = 0;  // 4xx and 5xx where they are in order
  std::uint64_t closed = 0;    // requests whose connection ended before their response
};

// A response that must not be.
struct WrongResponse : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class SoakClient {
 public:
  using Clock = std::chrono::steady_clock;

  SoakClient(std::uint16_t port, Manner manner, std::uint64_t number, Sightings& sightings);

  int fd() const { return socket_.fd(); }
  // What poll(2) is to look for.
  short events(Clock::time_point now) const;
  // Goes on. False when the client has left. Throws WrongResponse.
  bool step(short ready, Clock::time_point now);
  // Nothing has happened for so long.
  bool is_stuck(Clock::time_point now, std::chrono::seconds timeout) const;
  // No fault excuses a response that is cut off.
  void expect_no_cuts() { may_be_cut_ = false; }
  std::string describe() const;

 private:
  struct Expected {
    std::string body;
    std::size_t pattern = 0;  // or so many bytes of it
    bool is_row = false;
    std::size_t sent_at = 0;  // whole when so many bytes have been sent
  };

  void ask(const std::string& path, Expected expected);
  void prepare();
  void ask_echo();
  void send_more(Clock::time_point now);
  bool read_more(Clock::time_point now);
  void look_at(std::string_view bytes);
  std::optional<std::size_t> look_at_head();
  bool is_refusal(int status, bool closes) const;
  void finish_response();
  bool leave();
  [[noreturn]] void complain(const std::string& what) const;
  std::size_t random(std::size_t end) { return random_() % end; }

  Manner manner_;
  std::uint64_t number_;
  Sightings& sightings_;
  std::mt19937 random_;
  Descriptor socket_;
  std::string outgoing_;
  std::size_t sent_ = 0;
  std::size_t counted_ = 0;  // requests known to be sent whole
  std::size_t asked_ = 0;
  std::size_t to_ask_ = 0;
  std::deque<Expected> expected_;
  std::string head_;           // of the response that is arriving
  std::size_t body_left_ = 0;  // of the response that is arriving
  std::size_t body_at_ = 0;
  bool in_body_ = false;
  bool is_pattern_ = false;
  std::string body_;  // what it must be, unless it is the pattern or a refusal
  bool is_free_text_ = false;
  bool closing_ = false;  // the server has said so
  bool has_half_closed_ = false;
  bool may_be_cut_ = true;
  Clock::time_point next_send_;
  Clock::time_point next_read_;
  Clock::time_point leaves_at_ = Clock::time_point::max();
  Clock::time_point last_progress_;
};
