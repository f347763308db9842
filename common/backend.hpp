// backend.hpp — what is asked of the backend, and what becomes of its response.
//
// Gives: the bytes to send, and a response to relay; no socket and no waiting, for each shape of a
//        conversation waits in its own way.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/http.hpp"

namespace two_ways {

// Asks the backend for what `request` asks for. HTTP/1.0: then the response comes unchunked, and
// the backend closes the connection after it. Throws std::bad_alloc.
std::string backend_request(const Request& request);

// The response to relay when the backend has sent these bytes, and no more will come if `ended`.
// None as long as they are incomplete. Its text points into the bytes. A whole response is never
// longer than a Buffer: what does not fit is too long.
std::optional<Response> backend_response(std::string_view bytes, bool ended);

// The response when the backend fails: 502, 503 (no descriptor left) or 504. The connection goes
// on.
Response backend_failure(int status);
Response no_backend();

}  // namespace two_ways
