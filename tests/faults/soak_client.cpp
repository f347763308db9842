#include "tests/faults/soak_client.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/error.hpp"
#include "tests/kit/client.hpp"

namespace {

using std::chrono::milliseconds;

constexpr std::string_view manner_names[] = {"one by one", "pipelined", "rows",     "large",
                                             "trickling",  "slow",      "halved",   "resetting",
                                             "garbling",   "silent",    "unreading"};

}  // namespace

SoakClient::SoakClient(std::uint16_t port, Manner manner, std::uint64_t number,
                       Sightings& sightings)
    : manner_(manner),
      number_(number),
      sightings_(sightings),
      random_(static_cast<std::mt19937::result_type>(number)),
      socket_(start_connecting(port)),
      next_send_(Clock::now()),
      next_read_(next_send_),
      last_progress_(next_send_) {
  ++sightings_.clients;
  prepare();
}

void SoakClient::ask(const std::string& path, Expected expected) {
  outgoing_ += get_request(path);
  expected.sent_at = sent_ + outgoing_.size();
  expected_.push_back(std::move(expected));
  ++asked_;
}

void SoakClient::ask_echo() {
  const std::string word =
      "c" + std::to_string(number_) + "-" + std::to_string(asked_) + std::string(random(300), 'e');
  ask("/echo/" + word, {.body = word});
}

void SoakClient::prepare() {
  const auto now = Clock::now();
  const auto ask_bytes = [this](std::size_t count) {
    ask("/bytes/" + std::to_string(count), {.body = {}, .pattern = count});
  };
  switch (manner_) {
    case Manner::one_by_one:
    case Manner::rows:
      to_ask_ = 1 + random(8);
      break;
    case Manner::pipelined:
    case Manner::halved:
      for (std::size_t i = 1 + random(12); i > 0; --i) {
        ask_echo();
        if (random(4) == 0) ask_bytes(random(30'000));
      }
      break;
    case Manner::large:
      ask_bytes(random(1'000'000));
      break;
    case Manner::trickling:
      ask_echo();
      ask_echo();
      break;
    case Manner::slow:
      ask_bytes(20'000 + random(200'000));
      break;
    case Manner::resetting:
      for (std::size_t i = random(4); i > 0; --i) ask_echo();
      if (random(2) == 0) ask_bytes(5'000'000);
      outgoing_ += "GET /ec";
      leaves_at_ = now + milliseconds(random(40));
      break;
    case Manner::garbling:
      for (std::size_t i = 1 + random(3000); i > 0; --i)
        outgoing_ += static_cast<char>(random_() % 256);
      outgoing_ += "\r\n\r\n";
      leaves_at_ = now + milliseconds(500);
      break;
    case Manner::silent:
      leaves_at_ = now + milliseconds(random(300));
      break;
    case Manner::unreading:
      ask_bytes(50'000'000);
      leaves_at_ = now + milliseconds(random(300));
      break;
  }
}

short SoakClient::events(Clock::time_point now) const {
  int events = 0;
  if (!outgoing_.empty() && next_send_ <= now) events |= POLLOUT;
  if (manner_ != Manner::unreading && next_read_ <= now) events |= POLLIN;
  return static_cast<short>(events);
}

bool SoakClient::step(short ready, Clock::time_point now) {
  if (!socket_) return leave();
  if (now >= leaves_at_) {
    const linger at_once{1, 0};
    (void)setsockopt(socket_.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return leave();
  }
  if (asked_ < to_ask_ && expected_.empty() && !closing_) {
    if (manner_ == Manner::rows) {
      const std::string target = "/row?c" + std::to_string(number_) + "-" + std::to_string(asked_);
      ask(target, {.body = "row for " + target + " after 5 ms\n", .is_row = true});
    } else {
      ask_echo();
    }
  }
  if ((ready & POLLOUT) != 0) send_more(now);
  if ((ready & (POLLIN | POLLERR | POLLHUP)) != 0 && manner_ != Manner::unreading &&
      !read_more(now))
    return leave();
  const bool is_patient = manner_ == Manner::garbling || manner_ == Manner::silent ||
                          manner_ == Manner::resetting || manner_ == Manner::unreading;
  const bool is_done = !is_patient && outgoing_.empty() && expected_.empty() && !in_body_ &&
                       head_.empty() && asked_ >= to_ask_;
  return is_done ? leave() : true;
}

void SoakClient::send_more(Clock::time_point now) {
  std::string_view bytes = outgoing_;
  if (manner_ == Manner::trickling) {
    bytes = bytes.substr(0, 1 + random(3));
    next_send_ = now + milliseconds(1);
  }
  const ssize_t count = send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count <= 0) {
    if (count < 0 && !is_not_ready(errno)) outgoing_.clear();  // reading will tell the rest
    return;
  }
  last_progress_ = now;
  sent_ += static_cast<std::size_t>(count);
  outgoing_.erase(0, static_cast<std::size_t>(count));
  if (outgoing_.empty() && manner_ == Manner::halved && !has_half_closed_) {
    has_half_closed_ = true;
    (void)shutdown(socket_.fd(), SHUT_WR);
  }
}

// False at the end of the stream.
bool SoakClient::read_more(Clock::time_point now) {
  std::array<char, 65'536> room;
  std::span<char> part = room;
  if (manner_ == Manner::slow) {
    part = part.first(1 + random(4000));
    next_read_ = now + milliseconds(5);
  }
  const ssize_t count = receive(socket_.fd(), part);
  if (count < 0 && is_not_ready(errno)) return true;
  if (count <= 0) {
    const bool is_cut = in_body_ || !head_.empty();
    const bool sends_no_more = manner_ == Manner::one_by_one || manner_ == Manner::rows ||
                               manner_ == Manner::large || manner_ == Manner::slow;
    if (is_cut && sends_no_more && !may_be_cut_)
      complain("a response ends before its time, without any fault");
    return false;
  }
  last_progress_ = now;
  look_at({room.data(), static_cast<std::size_t>(count)});
  return true;
}

void SoakClient::look_at(std::string_view bytes) {
  while (!bytes.empty() || in_body_) {
    if (!in_body_) {
      if (closing_) complain("more bytes behind the response that was to be the last");
      head_ += bytes;
      const auto rest = look_at_head();
      if (!rest) return;  // the head is not whole yet
      bytes = bytes.substr(bytes.size() - *rest);
    }
    const std::string_view part = bytes.substr(0, body_left_);
    for (std::size_t i = 0; i < part.size() && !is_free_text_; ++i)
      if (part[i] != (is_pattern_ ? pattern_at(body_at_ + i) : body_[body_at_ + i]))
        complain("byte " + std::to_string(body_at_ + i) + " of the body is wrong: '" +
                 readable(part.substr(i), 100) + "'");
    body_at_ += part.size();
    body_left_ -= part.size();
    bytes.remove_prefix(part.size());
    if (body_left_ == 0)
      finish_response();
    else if (bytes.empty())
      return;
  }
}

// If the head is whole, the body begins. How many of its last bytes are behind the head.
std::optional<std::size_t> SoakClient::look_at_head() {
  const std::size_t end = head_.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (head_.size() > 65'536) complain("the head of a response does not end");
    return std::nullopt;
  }
  ReceivedHead response;
  const std::string problem =
      read_response_head(std::string_view(head_).substr(0, end + 2), response);
  if (!problem.empty()) complain("a response is not HTTP: " + problem);
  closing_ = response.closes();
  const bool has_question = !expected_.empty() && expected_.front().sent_at <= sent_;
  if (response.status == 200) {
    if (!has_question) complain("a response 200 to nothing that has been asked");
    const Expected& question = expected_.front();
    is_pattern_ = question.pattern > 0;
    body_ = question.body;
    is_free_text_ = false;
    const std::size_t size = is_pattern_ ? question.pattern : body_.size();
    if (response.content_length != size)
      complain("a response announces " + std::to_string(response.content_length) + " bytes, not " +
               std::to_string(size));
  } else {
    if (!is_refusal(response.status, closing_))
      complain("a response with status " + std::to_string(response.status));
    is_free_text_ = true;
    ++sightings_.refusals;
  }
  if (has_question) {
    expected_.pop_front();
    ++counted_;
    ++sightings_.requests;
  }
  in_body_ = true;
  body_at_ = 0;
  body_left_ = response.content_length;
  const std::size_t rest = head_.size() - end - 4;
  head_.clear();
  return rest;
}

// Which refusals may such a client get?
bool SoakClient::is_refusal(int status, bool closes) const {
  if (status == 503 && closes) return true;  // no thread, no descriptor
  if (manner_ == Manner::garbling) return status >= 400 && closes;
  if (status == 408)
    return closes &&
           (expected_.empty() || expected_.front().sent_at > sent_ || manner_ == Manner::trickling);
  const bool asked_for_row = !expected_.empty() && expected_.front().is_row;
  return asked_for_row && status >= 502 && status <= 504;
}

void SoakClient::finish_response() {
  in_body_ = false;
  if (!is_free_text_) ++sightings_.right;
}

bool SoakClient::leave() {
  for (const Expected& question : expected_)
    if (question.sent_at <= sent_) {
      ++sightings_.requests;
      ++sightings_.closed;
    }
  expected_.clear();
  socket_ = Descriptor();
  return false;
}

bool SoakClient::is_stuck(Clock::time_point now, std::chrono::seconds timeout) const {
  return now - last_progress_ > timeout;
}

std::string SoakClient::describe() const {
  std::string text = "client " + std::to_string(number_) + " (" +
                     std::string(manner_names[static_cast<int>(manner_)]) + ") has sent " +
                     std::to_string(sent_) + " bytes, " + std::to_string(outgoing_.size()) +
                     " are to be sent, waits for " + std::to_string(expected_.size()) +
                     " responses";
  if (in_body_) text += ", is in a body, " + std::to_string(body_left_) + " bytes from its end";
  return text;
}

void SoakClient::complain(const std::string& what) const {
  throw WrongResponse(describe() + ": " + what +
                      (head_.empty() ? "" : ": " + readable(head_, 200)));
}
