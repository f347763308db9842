#include "common/exchange.hpp"

#include <algorithm>
#include <cstring>

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
  const bool is_own_end = rest.data() + rest.size() == text.data() + text.size();
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
    if (!stowed_) stowed_ = std::make_unique<Stowed>();
    keep(stowed_->input, bench_->input);
    keep(stowed_->output, bench_->output);
  }
  bench_->input = bench_->output = {};
}

// -- bytes in --

std::span<char> Exchange::room() const {
  // Half of a large bench, a third of the smallest: an answer must always fit behind it.
  const std::size_t left_for_answers = std::max(2 * max_short_answer, bench_->space.size() / 2);
  return bench_->space.first(bench_->space.size() - left_for_answers);
}

void Exchange::received(std::size_t count) {
  if (bench_->input.empty()) {
    bench_->input = {bench_->space.data(), count};
    bench_->occupied = count;
  } else {
    stowed_->input.append(bench_->space.data(), count);
    bench_->input = stowed_->input;
  }
}

std::optional<Request> Exchange::next_request() {
  if (closing_ || pattern_at_ < pattern_end_ || bench_->input.empty()) return std::nullopt;
  if (free_space() < max_short_answer) return std::nullopt;
  const Parsed parsed = parse_request(bench_->input, line_start_);
  if (parsed.outcome != Parsed::Outcome::incomplete) line_start_ = 0;
  if (parsed.outcome == Parsed::Outcome::request) return parsed.request;
  if (parsed.outcome == Parsed::Outcome::refused) refuse(parsed.status);
  return std::nullopt;
}

// -- bytes out --

std::size_t Exchange::free_space() const {
  // Answers taken up from an earlier wait lie in the string; nothing is put behind them.
  if (bench_->output.empty()) return bench_->space.size() - bench_->occupied;
  const char* end = bench_->output.data() + bench_->output.size();
  const char* space_end = bench_->space.data() + bench_->space.size();
  const bool on_bench = bench_->output.data() >= bench_->space.data() && end <= space_end;
  return on_bench ? static_cast<std::size_t>(space_end - end) : 0;
}

void Exchange::append(const AnswerHead& head, std::string_view body) {
  char* begin = bench_->space.data() + bench_->space.size() - free_space();
  std::size_t size = write_answer_head(head, {begin, max_answer_head});
  std::memcpy(begin + size, body.data(), body.size());
  size += body.size();
  if (bench_->output.empty())
    bench_->output = {begin, size};
  else
    bench_->output = {bench_->output.data(), bench_->output.size() + size};
}

void Exchange::answer(const Request& request, const Answer& answer) {
  Counters::count(counters.requests);
  closing_ = answer.closes || !request.keep_alive || stop_requested();
  const std::size_t body_size = answer.pattern != 0 ? answer.pattern : answer.text.size();
  append({.status = answer.status,
          .body_size = body_size,
          .closes = closing_,
          .keeps_http_1_0 = request.http_1_0},
         request.head_only ? std::string_view() : answer.text);
  pattern_at_ = 0;
  pattern_end_ = request.head_only ? 0 : answer.pattern;
  bench_->input.remove_prefix(request.size);
  if (closing_) {
    lingers_ = !bench_->input.empty();
    bench_->input = {};
  }
}

void Exchange::refuse(int status) {
  answer({.size = bench_->input.size()}, refusal(status));
  lingers_ = true;
}

std::string_view Exchange::outgoing() {
  // Behind what is there, as much of the pattern as fits: head and body leave in one send.
  const std::size_t count = std::min<std::size_t>(pattern_end_ - pattern_at_, free_space());
  if (count == 0) return bench_->output;
  char* end = bench_->space.data() + bench_->space.size() - free_space();
  write_pattern(pattern_at_, {end, count});
  const char* begin = bench_->output.empty() ? end : bench_->output.data();
  return {begin, bench_->output.size() + count};
}

void Exchange::sent(std::size_t count) {
  const std::size_t made = std::min(count, bench_->output.size());
  bench_->output.remove_prefix(made);
  if (bench_->output.empty()) bench_->output = {};
  pattern_at_ += static_cast<std::uint32_t>(count - made);
}
