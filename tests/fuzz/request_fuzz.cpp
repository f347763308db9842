// The request parser, differentially: whole, byte by byte, and cut in a way that the input decides.
#include <strings.h>

#include <algorithm>
#include <functional>

#include "common/http.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/unit/reference.hpp"

namespace {

using Outcome = Parsed::Outcome;

bool same(const Parsed& a, const Parsed& b) {
  return a.outcome == b.outcome && a.status == b.status && a.request.target == b.request.target &&
         a.request.size == b.request.size && a.request.head_only == b.request.head_only &&
         a.request.keep_alive == b.request.keep_alive && a.request.http_1_0 == b.request.http_1_0;
}

// Parses as a server does: with more bytes each time, until there is a verdict.
template <class Step>
Parsed parse_growing(std::string_view bytes, Step step) {
  std::uint32_t line_start = 0;
  for (std::size_t size = 0;;) {
    size = std::min(bytes.size(), size + step());
    const Parsed parsed = parse_request(bytes.substr(0, size), line_start);
    if (line_start > size) tell_and_abort("line_start points behind the bytes", bytes);
    if (parsed.outcome != Outcome::incomplete || size == bytes.size()) return parsed;
  }
}

// An authority that has passed, in Host or in an absolute target, is one. (The longest are spared:
// a regular expression takes a stack that grows with the text.)
void look_at_authority(std::string_view text, std::string_view bytes) {
  if (text.size() < 300 && !is_authority(text)) tell_and_abort("a host that is none passed", bytes);
}

void look_at_authorities(std::string_view head) {
  const std::string_view target = head.substr(head.find(' ') + 1);
  if (target.front() != '/') {
    const std::string_view authority = target.substr(target.find("//") + 2);
    look_at_authority(authority.substr(0, authority.find_first_of("/? ")), head);
  }
  for (std::size_t line = head.find('\n') + 1; line < head.size();
       line = head.find('\n', line) + 1) {
    const std::string_view field = head.substr(line, head.find('\r', line) - line);
    if (field.size() < 5 || strncasecmp(field.data(), "host:", 5) != 0) continue;
    const std::size_t begin = field.find_first_not_of(" \t", 5);
    if (begin == std::string_view::npos) continue;
    look_at_authority(field.substr(begin, field.find_last_not_of(" \t") + 1 - begin), head);
  }
}

void look_into(const Parsed& parsed, std::string_view bytes) {
  const Request& request = parsed.request;
  if (parsed.outcome == Outcome::refused) {
    if (parsed.status < 400 || parsed.status > 599)
      tell_and_abort("refused with a status that is no error", bytes);
    if (reason_phrase(parsed.status) == "Unknown") tell_and_abort("a status without words", bytes);
  }
  if (parsed.outcome == Outcome::incomplete && bytes.size() > max_request_head)
    tell_and_abort("waits for more than a head may have", bytes);
  if (parsed.outcome != Outcome::request) return;

  if (request.size > bytes.size() || request.size > max_request_head)
    tell_and_abort("the request is larger than its bytes or than is allowed", bytes);
  if (bytes.substr(0, request.size).substr(request.size - 4) != "\r\n\r\n")
    tell_and_abort("the request does not end with an empty line", bytes);
  if (request.target.empty() || request.target.size() > max_request_target)
    tell_and_abort("the target is empty or too long", bytes);
  const std::string_view head = bytes.substr(0, request.size);
  const bool is_outside = std::less<const char*>()(request.target.data(), head.data()) ||
                          std::less<const char*>()(head.data() + head.size(),
                                                   request.target.data() + request.target.size());
  if (is_outside && request.target != "/") tell_and_abort("the target lies elsewhere", bytes);
  for (std::size_t i = 0; i < head.size(); ++i) {
    const bool is_feed = head[i] == '\n';
    if (is_feed && (i == 0 || head[i - 1] != '\r')) tell_and_abort("a bare LF passed", bytes);
    if (head[i] == '\r' && head[i + 1] != '\n') tell_and_abort("a bare CR passed", bytes);
    if (head[i] == '\0') tell_and_abort("a NUL passed", bytes);
  }
  look_at_authorities(head.substr(head.find_first_not_of("\r\n")));
}

}  // namespace

void fuzz_request(std::string_view input) {
  std::uint32_t line_start = 0;
  const Parsed whole = parse_request(input, line_start);
  look_into(whole, input);

  // Byte by byte, unless that would take all the time there is for other inputs.
  const std::size_t step = 1 + input.size() / 2000;
  const Parsed stepwise = parse_growing(input, [step] { return step; });
  if (!same(whole, stepwise)) tell_and_abort("byte by byte the verdict is another one", input);

  std::uint32_t state = static_cast<std::uint32_t>(input.size()) * 2654435761u + 1;
  const Parsed cut = parse_growing(input, [&state] {
    state = state * 1664525u + 1013904223u;
    return 1 + (state >> 16) % (state % 3 == 0 ? 3000 : 30);
  });
  if (!same(whole, cut)) tell_and_abort("cut at random the verdict is another one", input);
}
