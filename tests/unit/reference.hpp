// reference.hpp — what a client is to be answered, worked out the simplest way.
//
// The whole stream is there, nothing is ever waited for, and the responses are one long string.
// What the servers make of the same stream in pieces must be the same, but for the dates. Who may
// stand in Host is a regular expression, as the RFC spells it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

// Says what the backend would answer to this target: the body of a good response.
using RowSource = std::function<std::string(std::string_view target)>;

// All responses to all requests in the stream. Without a row source there is no backend.
std::string reference_responses(std::string_view stream, const RowSource& row = nullptr);

// Is this "host" or "host:port" by RFC 3986, Appendix A, with a host that is not empty?
bool is_authority(std::string_view text);
