// helpers.hpp — what a server that parks in every call needs to talk to a stream.
//
// Gives: whole requests out of bytes that come in any pieces, and a way to send all of a response.
// Do:    make helpers.cpp true to this contract. server.cpp relies on it, and is right if it holds.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

// Sends all bytes of all pieces, in order, and parks until the kernel has taken them. A small
// response leaves in one segment although its head and its body lie in two places: sendmsg(2) takes
// several places at once. False if the client is gone or takes nothing for too long.
bool send_all(int socket, std::span<const std::string_view> pieces);

// Reads a client's stream and cuts it into the heads of requests.
class RequestReader {
 public:
  explicit RequestReader(int socket) : socket_(socket) {}

  // Parks until a whole head is here, and returns it with the empty line that ends it. What came
  // behind it is kept for the next call. If more than max_request_head bytes (common/http.hpp) have
  // come and there is no end in sight, returns what there is, and the parser will refuse it.
  // Nothing if the client has ended its stream, is gone, or is silent for too long.
  std::optional<std::string> next_head();

 private:
  int socket_;
  std::string received_;  // and not yet returned
};
