#include "common/backend.hpp"

#include "common/buffers.hpp"

namespace two_ways {

Response backend_failure(int status) {
  if (status == 503)
    return {.status = 503, .text = "There is no descriptor left to ask the backend with.\n"};
  if (status == 504) return {.status = 504, .text = "The backend did not answer in time.\n"};
  return {.status = 502, .text = "The backend cannot be reached or does not answer properly.\n"};
}

Response no_backend() {
  return {.status = 502,
          .text =
              "This server has no backend. Start one with 'build/slow_backend -p 9090' and "
              "this server with '-b 9090'.\n"};
}

std::string backend_request(const Request& request) {
  std::string text;
  text.reserve(64 + request.target.size());
  text += "GET ";
  text += request.target;
  text += " HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
  return text;
}

std::optional<Response> backend_response(std::string_view bytes, bool ended) {
  const ParsedResponse parsed = parse_response(bytes, ended);
  const bool is_too_long = bytes.size() > max_request_head + max_text;
  if (parsed.outcome == ParsedResponse::Outcome::incomplete && !is_too_long) return std::nullopt;
  const bool is_usable = parsed.outcome == ParsedResponse::Outcome::complete &&
                         parsed.status == 200 && parsed.body.size() <= max_text;
  return is_usable ? Response{.text = parsed.body} : backend_failure(502);
}

}  // namespace two_ways
