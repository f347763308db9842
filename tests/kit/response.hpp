// response.hpp — what every response of our servers must be like.
//
// Gives: the head of an answer, read strictly; the body of /bytes/N; bytes made readable; and a
//        reader for one response after the other from a stream cut anywhere, strict about what a
//        failing server gets wrong: status, Content-Length, every byte of a body that is known.
#pragma once

#include <cstddef>
#include <cstdint>
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

// So many of it, one behind the other.
std::string repeated(std::string_view text, int times);

// What the response to a target must be, as far as the target tells.
struct Expectation {
  enum class Body { something, exactly, beginning_with, pattern };
  Body body = Body::something;
  std::string text;              // of the body, for exactly and beginning_with
  std::uint64_t length = 0;      // of the body, for pattern
  bool may_be_an_error = false;  // of another status than 200 the body may be anything
};

// "/echo/TEXT" is exactly TEXT, "/spin/20" is "spun 20 ms\n", "/row..." begins with the row's name,
// "/bytes/N" is N bytes of the pattern; anything else is a body of one byte or more.
Expectation expected_response(std::string_view target);

// Takes bytes until finished() or a problem() shows; reset() before the next response.
class ResponseCheck {
 public:
  // Takes what belongs to this response from the front of `bytes`; says how many bytes that were.
  std::size_t take(std::string_view bytes, const Expectation& expected);

  bool finished() const { return stage_ == Stage::finished; }
  bool untouched() const { return stage_ == Stage::head && lines_.empty(); }
  const ReceivedHead& head() const { return head_; }
  // In words, what is wrong; empty as long as nothing is.
  const std::string& problem() const { return problem_; }
  void reset() { *this = ResponseCheck(); }

 private:
  enum class Stage { head, body, finished };
  std::size_t take_head(std::string_view bytes);
  void read_head(const Expectation& expected);
  std::size_t take_body(std::string_view bytes, const Expectation& expected);

  std::string lines_;
  ReceivedHead head_;
  std::string problem_;
  std::uint64_t received_ = 0;  // of the body
  Stage stage_ = Stage::head;
};
