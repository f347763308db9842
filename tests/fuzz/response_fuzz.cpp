// The parser of another server's response, and the row made of it, differentially.
#include <algorithm>

#include "common/backend.hpp"
#include "tests/fuzz/targets.hpp"

namespace {

using Outcome = ParsedResponse::Outcome;

bool same(const ParsedResponse& a, const ParsedResponse& b) {
  return a.outcome == b.outcome && a.status == b.status && a.body == b.body;
}

// With `step` bytes more each time, as from a socket; at last the end of the stream.
template <class Read, class Result>
Result read_growing(std::string_view bytes, std::size_t step, Read read, Result result) {
  for (std::size_t size = std::min(step, bytes.size());;
       size = std::min(size + step, bytes.size())) {
    result = read(bytes.substr(0, size), false);
    if (result) return result;
    if (size == bytes.size()) return read(bytes, true);
  }
}

std::optional<ParsedResponse> parse_to_a_verdict(std::string_view bytes, bool ended) {
  const ParsedResponse parsed = parse_response(bytes, ended);
  if (ended && parsed.outcome == Outcome::incomplete)
    tell_and_abort("incomplete, although the stream has ended", bytes);
  if (parsed.outcome == Outcome::incomplete) return std::nullopt;
  return parsed;
}

void compare_rows(const Response& row, const Response& other, std::string_view input) {
  if (row.status != other.status || row.text != other.text || row.closes != other.closes)
    tell_and_abort("the row depends on how the backend's response was cut", input);
}

}  // namespace

void fuzz_response(std::string_view input) {
  if (input.size() > 16 * 1024) return;
  const std::size_t steps[] = {1 + input.size() / 1000, 13, 1 + input.size() / 3};
  const auto parse = [input](std::size_t step) {
    return *read_growing(input, step, parse_to_a_verdict, std::optional<ParsedResponse>());
  };
  const ParsedResponse whole = parse(std::max<std::size_t>(1, input.size()));
  for (const std::size_t step : steps)
    if (!same(whole, parse(step)))
      tell_and_abort("cut otherwise, the response is another one", input);
  if (whole.outcome == Outcome::complete && whole.body.size() > input.size())
    tell_and_abort("the body is longer than what came", input);

  const auto relay = [input](std::size_t step) {
    return *read_growing(input, step, backend_response, std::optional<Response>());
  };
  const Response row = relay(std::max<std::size_t>(1, input.size()));
  if (row.text.size() > max_text) tell_and_abort("a row too long to be relayed", input);
  for (const std::size_t step : steps) compare_rows(row, relay(step), input);
}
