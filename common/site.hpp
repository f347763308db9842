// site.hpp — what each path answers.
//
// Gives: the answer to a request, as a description that costs no memory; the bytes of a body that
//        is made while it is being sent.
// Do:    ask asks_backend first. Such a request has no answer here: it is the caller's job to ask
//        the backend and to wait, each in its own way.
// Do not: keep an Answer longer than the Request it is for; its text may point into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/http.hpp"

inline constexpr std::uint32_t max_pattern = 1u << 30;  // bytes, 1 GiB
inline constexpr int max_spin = 10'000;                 // milliseconds
inline constexpr std::size_t max_text = 4096;           // a body that is not the pattern
static_assert(max_request_target <= max_text);          // it may be echoed

struct Answer {
  int status = 200;
  std::string_view text = {};  // the body, max_text bytes or fewer,
  std::uint32_t pattern = 0;   // or, if not 0, that many bytes of the pattern
  bool closes = false;         // the connection ends after it
  bool computed = false;       // making it has taken this thread's time
};

// Is this request for /row, which only the backend can answer?
bool asks_backend(const Request& request);

// The answer to every other request. For /spin/MS it burns the thread's time right here, and
// nobody else is served by this thread meanwhile.
Answer answer_to(const Request& request);

// The answer that says why a request gets none: one sentence, and the connection ends.
Answer refusal(int status);
Answer refusal(const Parsed& parsed);

// The answer to /row when the backend fails. The connection goes on.
Answer row_failure(int status);
Answer no_backend();

// The request that asks the backend for what `request` asks for. HTTP/1.0: then the answer comes
// unchunked, and the backend closes the connection after it.
std::string backend_request(const Request& request);

// What to answer when the backend has sent these bytes, and no more will come if `ended`.
// Nothing as long as its answer is incomplete. The text points into the bytes.
std::optional<Answer> relay_row(std::string_view bytes, bool ended);

// Fills `room` with the pattern from `offset` on: records of sixteen bytes, each its own offset
// in fifteen digits and a line feed, so that any byte says where it belongs.
void write_pattern(std::uint32_t offset, std::span<char> room);
