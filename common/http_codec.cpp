#include "common/http_codec.hpp"

#include <algorithm>
#include <cassert>

namespace two_ways {

// -- bytes in --

std::span<char> HttpCodec::room() {
  if (!input_)
    input_ = context_->buffers.borrow();
  else
    input_->compact();
  return input_->room();
}

void HttpCodec::received(ssize_t count) {
  if (count > 0) {
    const auto size = static_cast<std::size_t>(count);
    filled_room_ = size == input_->room().size();
    input_->add(size);
  } else if (input_->empty()) {
    input_.reset();
  }
}

void HttpCodec::take(std::string_view bytes, bool filled) {
  bytes.copy(room().data(), bytes.size());
  received(static_cast<ssize_t>(bytes.size()));
  filled_room_ = filled;
}

Response refusal(int status) {
  const auto sentence = [status]() -> std::string_view {
    switch (status) {
      case 400:
        return "This is not a request that the server understands (RFC 9112).\n";
      case 405:
        return "This server answers GET and HEAD only.\n";
      case 408:
        return "The rest of the request did not come in time.\n";
      case 414:
        return "The target of the request is longer than 4096 bytes.\n";
      case 417:
        return "The only expectation this server knows is 100-continue.\n";
      case 431:
        return "The head of the request is longer than 8192 bytes.\n";
      case 501:
        return "This server knows neither this method nor any transfer coding.\n";
      case 503:
        return "This server has no room for you at the moment.\n";
      case 505:
        return "This server speaks HTTP/1.1 and HTTP/1.0.\n";
      default:
        return "This request is refused.\n";
    }
  };
  return {.status = status, .text = sentence(), .closes = true};
}

Response refusal(const Parsed& parsed) {
  Response response = refusal(parsed.status);
  if (parsed.bare_line_feed)
    response.text =
        "Each line of a request ends with CR LF, not with LF alone (RFC 9112 2.2). 'nc -C' sends "
        "that, on macOS 'nc -c'.\n";
  return response;
}

std::optional<Request> HttpCodec::next_request() {
  if (!input_ || is_generating() || responses_ >= max_responses_at_once) return std::nullopt;
  if (output_ && output_->room().size() < max_short_response) return std::nullopt;
  const Parsed parsed = parse_request(input_->bytes(), line_start_);
  if (parsed.outcome == Parsed::Outcome::incomplete) return std::nullopt;
  line_start_ = 0;
  if (parsed.outcome == Parsed::Outcome::request) return parsed.request;
  refuse(refusal(parsed), parsed.request.head_only);
  return std::nullopt;
}

// -- bytes out --

namespace {

bool begins_with_whole_request(std::string_view input) {
  std::uint32_t line_start = 0;
  return parse_request(input, line_start).outcome != Parsed::Outcome::incomplete;
}

// An empty line too many is no beginning of another request (RFC 9112 2.2).
std::string_view without_empty_lines(std::string_view input) {
  while (input.starts_with("\r\n")) input.remove_prefix(2);
  return input;
}

void append(Buffer& output, const ResponseHead& head, std::string_view body) {
  const std::span<char> room = output.room();
  assert(room.size() >= max_response_head + body.size());
  const std::size_t head_size = write_response_head(head, room);
  output.add(head_size + body.copy(room.data() + head_size, body.size()));
}

}  // namespace

void HttpCodec::respond(const Request& request, const Response& response) {
  Counters::count(context_->counters.requests);
  const std::string_view input = input_ ? input_->bytes() : std::string_view();
  const std::string_view rest = without_empty_lines(input.substr(request.size));
  // While draining this is the last response, unless another request has been received whole. To
  // wait for the rest of one would let a client that never ceases to send keep us from ending.
  closing_ = response.closes || !request.keep_alive ||
             (context_->draining && !begins_with_whole_request(rest));
  if (!output_) output_ = context_->buffers.borrow();
  append(*output_,
         {.status = response.status,
          .body_size = response.generated != 0 ? response.generated : response.text.size(),
          .closes = closing_,
          .keeps_http_1_0 = request.http_1_0},
         request.head_only ? std::string_view() : response.text);
  generated_ = 0;
  generated_end_ = request.head_only ? 0 : response.generated;
  responses_ =
      response.computed ? max_responses_at_once : static_cast<std::uint8_t>(responses_ + 1);
  if (closing_) {
    lingers_ = lingers_ || filled_room_ || is_generating() || !rest.empty();
    line_start_ = 0;
  }
  if (closing_ || rest.empty())
    input_.reset();
  else
    input_->remove(input.size() - rest.size());
}

namespace {

// For a request that could not be read to the end of its method, or not at all.
bool asks_for_head(std::string_view input) {
  const std::size_t begin = std::min(input.find_first_not_of("\r\n"), input.size());
  return input.substr(begin).starts_with("HEAD ");
}

}  // namespace

void HttpCodec::refuse(int status) {
  refuse(refusal(status), false);
}

void HttpCodec::refuse(const Response& refusal, bool head_only) {
  const std::string_view input = input_ ? input_->bytes() : std::string_view();
  lingers_ = true;
  respond({.size = static_cast<std::uint32_t>(input.size()),
           .head_only = head_only || asks_for_head(input)},
          refusal);
}

// Behind what is there, as much of the generated body as fits: head and body leave in one send.
std::string_view HttpCodec::output() {
  if (!is_generating()) return output_->bytes();
  if (!output_) output_ = context_->buffers.borrow();
  std::span<char> room = output_->room();
  room = room.first(std::min<std::size_t>(room.size(), generated_end_ - generated_));
  context_->handle.generate(generated_, room);
  return {output_->bytes().data(), output_->bytes().size() + room.size()};
}

void HttpCodec::sent(std::size_t count) {
  const std::size_t made = std::min(count, output_->bytes().size());
  output_->remove(made);
  generated_ += static_cast<std::uint32_t>(count - made);
  if (!output_->empty()) return;
  output_.reset();
  if (!is_generating()) responses_ = 0;
}

// -- the end --

bool HttpCodec::discard(ssize_t count) {
  input_.reset();
  if (count <= 0) return false;
  line_start_ += static_cast<std::uint32_t>(count);
  return line_start_ < max_discarded;
}

}  // namespace two_ways
