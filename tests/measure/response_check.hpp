// response_check.hpp — is this the answer that was asked for?
//
// Gives: a reader for one answer after the other from a stream cut anywhere, strict about what a
//        failing server gets wrong: status, Content-Length, every byte of a body that is known.
// Do:    take() bytes until finished() or a problem() shows; reset() before the next answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/kit/response.hpp"

// What the answer to a target must be, as far as the target tells.
struct Expectation {
  enum class Body { something, exactly, beginning_with, pattern };
  Body body = Body::something;
  std::string text;          // of the body, for exactly and beginning_with
  std::uint64_t length = 0;  // of the body, for pattern
};

// "/echo/TEXT" is exactly TEXT, "/spin/20" is "spun 20 ms\n", "/row..." begins with the row's name,
// "/bytes/N" is N bytes of the pattern; anything else is a body of one byte or more.
Expectation expected_response(std::string_view target);

class ResponseCheck {
 public:
  // Takes what belongs to this answer from the front of `bytes`; says how many bytes that were.
  std::size_t take(std::string_view bytes, const Expectation& expected);

  bool finished() const { return stage_ == Stage::finished; }
  bool untouched() const { return stage_ == Stage::head && head_.empty(); }
  bool closes() const { return response_.closes(); }  // the server has said that it will close
  // In words, what is wrong; empty as long as nothing is.
  const std::string& problem() const { return problem_; }
  void reset();

 private:
  enum class Stage { head, body, finished };
  std::size_t take_head(std::string_view bytes);
  void read_head(const Expectation& expected);
  std::size_t take_body(std::string_view bytes, const Expectation& expected);

  std::string head_;
  ReceivedHead response_;
  std::string problem_;
  std::uint64_t received_ = 0;  // of the body
  Stage stage_ = Stage::head;
};
