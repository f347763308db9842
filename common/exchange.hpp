// exchange.hpp — one client's bytes on their way in and out.
//
// Gives: requests out of received bytes, and bytes to send out of answers, for all three shapes
//        of a conversation. It knows no socket and never waits.
//
// All exchanges that one thread serves share one bench. What a conversation works on lies there
// only until it must wait; then it takes with it what is unfinished, in a string of its own, and
// when nothing is unfinished it takes nothing. So ten thousand idle clients keep no buffer.
//
// Do:    between two waits, in this order: take_up() once, then room()/received() for at most one
//        recv, next_request()/answer(), outgoing()/sent(); and stow() before the next wait.
// Do not: use a Request after stow(): it points to the bench.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/http.hpp"
#include "common/site.hpp"

// What came in lies at the front, what goes out behind it.
struct Bench {
  std::span<char> space;         // somebody else's array, of a size that suits its owner
  std::string_view input = {};   // received and not yet answered
  std::string_view output = {};  // made and not yet sent
  std::size_t occupied = 0;      // bytes at the front of the space that are in use
  Request request = {};          // the next one of the input
};

inline constexpr std::size_t max_short_answer = max_answer_head + max_text;

// So many answers leave together at most, and none stays behind one that has been computed.
inline constexpr std::uint8_t most_answers_at_once = 16;

// Whoever lingers reads so much at most of what the client still sends.
inline constexpr std::uint32_t most_discarded = 1 << 20;

class Exchange {
 public:
  explicit Exchange(Bench& bench) : bench_(&bench) {}

  // -- around a wait --
  void take_up();
  void stow();

  // -- bytes in --
  std::span<char> room() const;
  void received(std::size_t count);
  bool is_inside_request() const { return !bench_->input.empty(); }

  // The next whole request, which stays the next one until it is answered. nullptr if it is not
  // all there, if there are answers enough that must leave first, or if the connection is to end.
  // One packet may bring hundreds of requests: to answer all of them at once would keep every other
  // client waiting. A request that cannot be understood is refused in here.
  const Request* next_request();
  const Request& request() const { return bench_->request; }  // the one it has just returned

  // -- bytes out --
  void answer(const Answer& answer);  // to request()
  void refuse(int status);  // answers what did not come, or cannot be understood, and closes
  bool has_outgoing() const { return !bench_->output.empty() || has_long_answer(); }
  bool has_long_answer() const { return pattern_at_ < pattern_end_; }
  std::string_view outgoing();
  void sent(std::size_t count);

  // The last answer of this connection has been made.
  bool is_closing() const { return closing_; }

  // The client may still be sending what we shall not read. Closing now would answer that with a
  // reset, and the reset may overtake our last answer (RFC 9112 9.6): let that leave, and read on
  // for a while. After a stop nobody has been told that we shall not read.
  bool should_linger() const;

  // These bytes came while lingering. False if that was enough: who sends without end is not
  // listened to without end.
  bool discard(std::size_t count);

 private:
  // What an unfinished exchange keeps while it waits.
  struct Stowed {
    std::string input;
    std::string output;
  };

  void refuse(const Answer& refusal, bool head_only);
  void append(const AnswerHead& head, std::string_view body);
  bool is_on_bench(std::string_view bytes) const;
  std::span<char> free_space() const;
  std::span<char> spill(std::size_t size);
  Stowed& stowed();

  Bench* bench_;
  std::unique_ptr<Stowed> stowed_;
  std::uint32_t line_start_ = 0;   // how far the unfinished request has been searched
                                   // (while lingering there is none: how much has been discarded)
  std::uint32_t pattern_at_ = 0;   // the body being made: from here
  std::uint32_t pattern_end_ = 0;  // to here
  bool filled_room_ = false;       // the last recv: there may be more
  bool closing_ = false;
  bool lingers_ = false;
  std::uint8_t answers_ = 0;  // in the output
};
