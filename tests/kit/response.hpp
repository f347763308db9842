// response.hpp — what every response of our servers must be like.
//
// Gives: the head of an answer, read strictly; the body of /bytes/N; bytes made readable.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

struct ReceivedHead {
  int status = 0;
  std::size_t content_length = 0;
  bool says_close = false;

  bool closes() const { return says_close; }  // it says Connection: close
};

// Reads a head: its lines, each with its \r\n, without the empty one behind them. Returns in words
// what is wrong with it, "" if nothing is.
std::string read_response_head(std::string_view lines, ReceivedHead& head);

// The value of a field in such lines.
std::optional<std::string> field_of(std::string_view lines, std::string_view name);

// Byte `place` of what /bytes/N sends: records of 15 digits, the record's offset, and '\n'.
char pattern_at(std::size_t place);

// A text with control characters made visible, cut at a readable length.
std::string readable(std::string_view bytes, std::size_t most = 60);
