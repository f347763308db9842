// http.hpp — bytes to requests, responses to bytes (RFC 9110, RFC 9112).
//
// Gives: a parser for the head of one request, and the head of one response. Pure functions: no
//        sockets, no waiting, nothing remembered between calls.
// Do:    call parse_request again with more bytes as long as it says `incomplete`.
// Do not: keep a Request longer than the bytes it was read from; it points into them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace two_ways {

inline constexpr std::size_t max_request_target = 4096;
inline constexpr std::size_t max_request_head = 8192;  // up to and including the empty line

struct Request {
  std::string_view target = {};  // "/echo/hello?x=1": path and query as sent, never decoded
  std::uint32_t size = 0;        // bytes from its beginning to the end of its empty line
  bool head_only = false;        // HEAD: the response has no body
  bool keep_alive = false;       // the client wants the connection to go on
  bool http_1_0 = false;
};

struct Parsed {
  enum class Outcome : std::uint8_t { incomplete, request, refused };
  Outcome outcome = Outcome::incomplete;
  Request request = {};         // if it is one
  int status = 0;               // if refused: what to answer before closing,
  bool bare_line_feed = false;  // and the reason, if it is that a line ends in LF alone
};

// Reads the request that `bytes` begin with. `line_start` is where the search for the end of the
// head goes on: 0 for a new request, otherwise what the last call with fewer bytes left there,
// so that a head that arrives byte by byte is not searched from its beginning each time.
//
// The first of these that is true says what a refused one is answered:
//   400       a line ends in LF alone
//   431, 414  there is no end within max_request_head bytes; 414 if the target alone is too long
//   400       the request line has not the form of one
//   505       the version is not 1.x, so what follows may mean anything
//   400       a field has not the form of one; Host is missing, doubled or no host
//   405, 501  the method is known but not served; is unknown
//   414, 400  the target is too long; is none
//   501, 400  a transfer coding is announced; a body is
//   417       something else than 100-continue is expected
Parsed parse_request(std::string_view bytes, std::uint32_t& line_start);

inline constexpr std::size_t max_text = 4096;   // a body that is held whole
static_assert(max_request_target <= max_text);  // it may be echoed

// What a request is answered. It costs no memory: a text may point into the request, and a long
// body is made as it is sent. Do not keep it longer than the request.
struct Response {
  int status = 200;
  std::string_view text = {};    // the body, max_text bytes or fewer,
  std::uint32_t generated = 0;   // or, if not 0, that many bytes that Handler::generate makes
  bool closes = false;           // the connection ends after it
  bool computed = false;         // making it has taken this thread's time
  bool is_from_backend = false;  // only the backend can answer this: whoever has asked for the
                                 // response asks there, and waits in its own way
};

// What a server serves: two functions, handed to it by main().
struct Handler {
  Response (*respond)(const Request& request) = nullptr;
  // Fills `room` with a long body from `offset` on.
  void (*generate)(std::uint32_t offset, std::span<char> room) = nullptr;

  Response operator()(const Request& request) const { return respond(request); }
};

struct ResponseHead {
  int status = 200;
  std::size_t body_size = 0;
  bool closes = false;          // "Connection: close"
  bool keeps_http_1_0 = false;  // "Connection: keep-alive", which HTTP/1.0 wants to be told
};

inline constexpr std::size_t max_response_head = 256;

// Writes the head of a response, empty line included, to `room` (max_response_head bytes or more).
// Returns its size.
std::size_t write_response_head(const ResponseHead& head, std::span<char> room);

// "Not Found" for 404.
std::string_view reason_phrase(int status);

// What a client's request to another server was answered with, as far as it has been received.
struct ParsedResponse {
  enum class Outcome : std::uint8_t { incomplete, complete, broken };
  Outcome outcome = Outcome::incomplete;
  int status = 0;
  std::string_view body = {};  // points into the bytes
};

// Reads a response to an HTTP/1.0 request: a head, then Content-Length bytes or all there is until
// the stream ends. `ended`: no more bytes will come.
ParsedResponse parse_response(std::string_view bytes, bool ended);

}  // namespace two_ways
