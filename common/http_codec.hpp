// http_codec.hpp — the codec of one connection: bytes to requests, responses to bytes.
//
// Gives: requests out of received bytes, and bytes to send out of responses, for all three shapes
//        of a conversation. It knows no socket, no path and no handler, and never waits. It
//        borrows a buffer for what comes in and one for what goes out, and gives each back as soon
//        as it is empty: an idle connection holds none.
//
// Do:    room(), recv(2), received(); then next_request() and respond() as long as there is a
//        request; then output(), send(2), sent().
// Do not: keep a Request after respond() or room(): it points into the input.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/buffers.hpp"
#include "common/context.hpp"
#include "common/http.hpp"

namespace two_ways {

inline constexpr std::size_t max_short_response = max_response_head + max_text;

// So many responses leave together at most, and none stays behind one that has been computed. One
// packet may bring hundreds of requests: to answer all of them at once would keep every other
// client waiting.
inline constexpr std::uint8_t max_responses_at_once = 16;

// Whoever lingers reads so much at most of what the client still sends.
inline constexpr std::uint32_t max_discarded = 1 << 20;

// What is answered to bytes that are no request, or not one for this server: one sentence, and the
// connection ends.
Response refusal(int status);
Response refusal(const Parsed& parsed);

class HttpCodec {
 public:
  // The context must live longer.
  explicit HttpCodec(Context& context) : context_(&context) {}

  Context& context() const { return *context_; }

  // -- bytes in --

  // Where the next recv(2) puts its bytes, max_request_head of them or more. Throws std::bad_alloc.
  std::span<char> room();
  // What recv has returned: how many bytes have come there; 0 and -1 bring nothing.
  void received(ssize_t count);
  // The same for bytes that have been received elsewhere, 8 KiB of them at most; with `filled` more
  // may have come. Throws std::bad_alloc.
  void take(std::string_view bytes, bool filled);
  // Has a request begun to come that has not been answered?
  bool is_inside_request() const { return input_ && !input_->empty(); }

  // The next whole request, which stays the next one until it is answered. None if it is not all
  // there, if there are responses enough that must leave first, or if the connection is to end. A
  // request that cannot be understood is refused in here. Throws std::bad_alloc.
  std::optional<Request> next_request();

  // -- bytes out --

  // Answers the request that next_request() has returned last. While draining it is the last one,
  // unless another has been received whole. Throws std::bad_alloc.
  void respond(const Request& request, const Response& response);
  void refuse(int status);  // answers what did not come, or cannot be understood, and closes

  bool has_output() const { return output_ || is_generating(); }
  std::string_view output();     // throws std::bad_alloc
  void sent(std::size_t count);  // so much of it has left; 0 if none can

  // The last response of this connection has been made.
  bool is_closing() const { return closing_; }

  // -- the end --

  // The client may still be sending what nobody will read. Closing now would answer that with a
  // reset, and the reset may overtake the last response (RFC 9112 9.6): let that leave, and read on
  // for a while. While draining nobody has been told that this is the end.
  bool should_linger() const { return !has_output() && (lingers_ || context_->draining); }

  // What recv has returned while lingering. False if that was enough: who sends without end is not
  // listened to without end.
  bool discard(ssize_t count);

 private:
  void refuse(const Response& refusal, bool head_only);
  bool is_generating() const { return generated_ < generated_end_; }

  Context* context_;
  BorrowedBuffer input_;         // received and not yet answered; none if there is nothing
  BorrowedBuffer output_;        // made and not yet sent
  std::uint32_t generated_ = 0;  // so much has left of the long body behind the output
  std::uint32_t generated_end_ = 0;
  std::uint32_t line_start_ = 0;  // how far the unfinished request has been searched
                                  // (while lingering there is none: how much has been discarded)
  std::uint8_t responses_ = 0;    // in the output
  bool filled_room_ = false;      // the last recv: there may be more
  bool closing_ = false;
  bool lingers_ = false;
};

}  // namespace two_ways
