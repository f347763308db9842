#include "common/exchange.hpp"

#include <algorithm>
#include <functional>

#include "common/counters.hpp"
#include "common/signals.hpp"

// -- around a wait --

void Exchange::take_up() {
  bench_->occupied = 0;
  bench_->input = stowed_ ? std::string_view(stowed_->input) : std::string_view();
  bench_->output = stowed_ ? std::string_view(stowed_->output) : std::string_view();
}

namespace {

// Makes `text` hold just `rest`, which may be the end of `text` itself.
void keep(std::string& text, std::string_view rest) {
  if (rest.empty()) return text.clear();
  const bool is_own_end =
      rest.size() <= text.size() && rest.data() + rest.size() == text.data() + text.size();
  if (is_own_end)
    text.erase(0, text.size() - rest.size());
  else
    text.assign(rest);
}

}  // namespace

void Exchange::stow() {
  if (bench_->input.empty() && bench_->output.empty()) {
    stowed_.reset();
  } else {
    keep(stowed().input, bench_->input);
    keep(stowed().output, bench_->output);
  }
  bench_->input = bench_->output = {};
}

Exchange::Stowed& Exchange::stowed() {
  if (!stowed_) stowed_ = std::make_unique<Stowed>();
  return *stowed_;
}

// -- bytes in --

std::span<char> Exchange::room() const {
  return bench_->space.first(bench_->space.size() / 2);
}

void Exchange::received(std::size_t count) {
  filled_room_ = count == room().size();
  if (bench_->input.empty()) {
    bench_->input = {bench_->space.data(), count};
    bench_->occupied = count;
  } else {
    stowed_->input.append(bench_->space.data(), count);
    bench_->input = stowed_->input;
  }
}

const Request* Exchange::next_request() {
  if (bench_->input.empty() || has_long_answer()) return nullptr;
  if (answers_ >= most_answers_at_once) return nullptr;
  if (has_outgoing() && free_space().size() < max_short_answer) return nullptr;
  const Parsed parsed = parse_request(bench_->input, line_start_);
  if (parsed.outcome == Parsed::Outcome::incomplete) return nullptr;
  line_start_ = 0;
  bench_->request = parsed.request;
  if (parsed.outcome == Parsed::Outcome::request) return &bench_->request;
  refuse(refusal(parsed), parsed.request.head_only);
  return nullptr;
}

// -- bytes out --

bool Exchange::is_on_bench(std::string_view bytes) const {
  const std::less_equal<const char*> is_not_behind;  // also for pointers into different arrays
  return is_not_behind(bench_->space.data(), bytes.data()) &&
         is_not_behind(bytes.data() + bytes.size(), bench_->space.data() + bench_->space.size());
}

// What is free behind the output. Behind an output in the string nothing is added: it must leave.
std::span<char> Exchange::free_space() const {
  if (bench_->output.empty()) return bench_->space.subspan(bench_->occupied);
  if (!is_on_bench(bench_->output)) return {};
  const char* end = bench_->output.data() + bench_->output.size();
  return bench_->space.subspan(static_cast<std::size_t>(end - bench_->space.data()));
}

void Exchange::append(const AnswerHead& head, std::string_view body) {
  std::span<char> place = free_space();
  if (place.size() < max_answer_head + body.size()) place = spill(max_answer_head + body.size());
  std::size_t size = write_answer_head(head, place);
  size += body.copy(place.data() + size, body.size());
  if (bench_->output.empty())
    bench_->output = {place.data(), size};
  else
    bench_->output = {bench_->output.data(), bench_->output.size() + size};
}

// Moves the output to the string, where there is room for any answer.
std::span<char> Exchange::spill(std::size_t size) {
  const std::size_t there = bench_->output.size();
  keep(stowed().output, bench_->output);
  stowed_->output.resize(there + size);
  bench_->output = {stowed_->output.data(), there};
  return std::span<char>(stowed_->output).subspan(there);
}

namespace {

bool begins_with_whole_request(std::string_view input) {
  std::uint32_t line_start = 0;
  return parse_request(input, line_start).outcome != Parsed::Outcome::incomplete;
}

}  // namespace

void Exchange::answer(const Answer& answer) {
  const Request& request = bench_->request;
  Counters::count(counters.requests);
  bench_->input.remove_prefix(request.size);
  // An empty line too many (RFC 9112 2.2) is no beginning of another request.
  while (bench_->input.starts_with("\r\n")) bench_->input.remove_prefix(2);
  // After a stop this is the last answer, unless another request has been received whole. To wait
  // for the rest of one would let a client that never ceases to send keep us from ending.
  const bool is_last = stop_requested() && !begins_with_whole_request(bench_->input);
  closing_ = answer.closes || !request.keep_alive || is_last;
  const std::size_t body_size = answer.pattern != 0 ? answer.pattern : answer.text.size();
  append({.status = answer.status,
          .body_size = body_size,
          .closes = closing_,
          .keeps_http_1_0 = request.http_1_0},
         request.head_only ? std::string_view() : answer.text);
  pattern_at_ = 0;
  pattern_end_ = request.head_only ? 0 : answer.pattern;
  answers_ = answer.computed ? most_answers_at_once : static_cast<std::uint8_t>(answers_ + 1);
  if (closing_) {
    lingers_ = filled_room_ || !bench_->input.empty() || has_long_answer();
    bench_->input = {};
    line_start_ = 0;
  }
}

namespace {

// For a request that could not be read to the end of its method, or not at all.
bool asks_for_head(std::string_view input) {
  const std::size_t begin = std::min(input.find_first_not_of("\r\n"), input.size());
  return input.substr(begin).starts_with("HEAD ");
}

}  // namespace

void Exchange::refuse(int status) {
  refuse(refusal(status), false);
}

void Exchange::refuse(const Answer& refusal, bool head_only) {
  head_only = head_only || asks_for_head(bench_->input);
  bench_->request = {.size = bench_->input.size(), .head_only = head_only};
  answer(refusal);
  lingers_ = true;
}

std::string_view Exchange::outgoing() {
  // Behind what is there, as much of the pattern as fits: head and body leave in one send.
  std::span<char> place = free_space();
  place = place.first(std::min<std::size_t>(place.size(), pattern_end_ - pattern_at_));
  if (place.empty()) return bench_->output;
  write_pattern(pattern_at_, place);
  const char* begin = bench_->output.empty() ? place.data() : bench_->output.data();
  return {begin, bench_->output.size() + place.size()};
}

void Exchange::sent(std::size_t count) {
  const std::size_t made = std::min(count, bench_->output.size());
  bench_->output.remove_prefix(made);
  if (bench_->output.empty()) bench_->output = {};
  pattern_at_ += static_cast<std::uint32_t>(count - made);
  if (!has_outgoing()) answers_ = 0;
}

bool Exchange::should_linger() const {
  return !has_outgoing() && ((closing_ && lingers_) || stop_requested());
}

bool Exchange::discard(std::size_t count) {
  line_start_ += static_cast<std::uint32_t>(count);
  return line_start_ < most_discarded;
}
