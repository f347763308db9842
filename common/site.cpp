#include "common/site.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>

namespace {

// "200" from 0 to `most`; digits only.
std::optional<std::uint32_t> read_number(std::string_view text, std::uint32_t most) {
  std::uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || stop != end || number > most) return std::nullopt;
  return number;
}

bool take_prefix(std::string_view& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  path.remove_prefix(prefix.size());
  return true;
}

std::string_view path_of(const Request& request) {
  return request.target.substr(0, request.target.find('?'));
}

// Time of this thread's own computing, not of the clock on the wall: with a second spinner on the
// same core, each takes twice as long. (CLOCK_THREAD_CPUTIME_ID, clock_gettime(3))
std::chrono::nanoseconds computed_by_this_thread() {
  timespec time{};  // this clock is always there, so the call cannot fail
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void spin(std::chrono::milliseconds duration) {
  const auto end = computed_by_this_thread() + duration;
  while (computed_by_this_thread() < end) {
  }
}

Answer answer_bytes(std::string_view count) {
  const auto number = read_number(count, max_pattern);
  if (!number)
    return {.status = 400, .text = "/bytes/N takes a whole number from 0 to 1073741824.\n"};
  return {.pattern = *number};
}

Answer answer_spin(std::string_view milliseconds) {
  const auto number = read_number(milliseconds, max_spin);
  if (!number) return {.status = 400, .text = "/spin/MS takes a whole number from 0 to 10000.\n"};
  spin(std::chrono::milliseconds(*number));
  thread_local char text[24];
  std::memcpy(text, "spun ", 5);
  char* end = std::to_chars(text + 5, text + 15, *number).ptr;
  std::memcpy(end, " ms\n", 4);
  return {.text = std::string_view(text, static_cast<std::size_t>(end + 4 - text)),
          .computed = true};
}

}  // namespace

bool asks_backend(const Request& request) {
  return request.target.starts_with("/row") && path_of(request) == "/row";
}

Answer answer_to(const Request& request) {
  constexpr Answer greeting{.text = "Hello. This server is waiting for you.\n"};
  if (request.target == "/") return greeting;  // a short cut for the most asked
  std::string_view path = path_of(request);
  if (path == "/" || path.empty()) return greeting;
  if (take_prefix(path, "/bytes/")) return answer_bytes(path);
  if (take_prefix(path, "/spin/")) return answer_spin(path);
  path = request.target;  // what is to be echoed may contain a question mark
  if (take_prefix(path, "/echo/")) return {.text = path};
  return {.status = 404,
          .text = "There is only /, /echo/TEXT, /bytes/N, /row and /spin/MS here.\n"};
}

Answer refusal(int status) {
  const auto sentence = [status]() -> std::string_view {
    switch (status) {
      case 400:
        return "This is not a request that the server understands (RFC 9112).\n";
      case 405:
        return "This server answers GET and HEAD only.\n";
      case 408:
        return "The rest of the request did not come in time.\n";
      case 414:
        return "The target of the request is longer than 4096 bytes.\n";
      case 417:
        return "The only expectation this server knows is 100-continue.\n";
      case 431:
        return "The head of the request is longer than 8192 bytes.\n";
      case 501:
        return "This server knows neither this method nor any transfer coding.\n";
      case 503:
        return "This server has no room for you at the moment.\n";
      case 505:
        return "This server speaks HTTP/1.1 and HTTP/1.0.\n";
      default:
        return "This request is refused.\n";
    }
  };
  return {.status = status, .text = sentence(), .closes = true};
}

Answer refusal(const Parsed& parsed) {
  Answer answer = refusal(parsed.status);
  if (parsed.bare_line_feed)
    answer.text =
        "Each line of a request ends with CR LF, not with LF alone (RFC 9112 2.2). 'nc -C' sends "
        "that, on macOS 'nc -c'.\n";
  return answer;
}

Answer row_failure(int status) {
  if (status == 503)
    return {.status = 503, .text = "There is no descriptor left to ask the backend with.\n"};
  if (status == 504) return {.status = 504, .text = "The backend did not answer in time.\n"};
  return {.status = 502, .text = "The backend cannot be reached or does not answer properly.\n"};
}

Answer no_backend() {
  return {.status = 502,
          .text =
              "This server has no backend. Start one with 'build/slow_backend -p 9090' and "
              "this server with '-b 9090'.\n"};
}

std::string backend_request(const Request& request) {
  std::string text;
  text.reserve(64 + request.target.size());
  text += "GET ";
  text += request.target;
  text += " HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
  return text;
}

std::optional<Answer> relay_row(std::string_view bytes, bool ended) {
  const ParsedAnswer parsed = parse_answer(bytes, ended);
  const bool is_too_long = bytes.size() > max_request_head + max_text;
  if (parsed.outcome == ParsedAnswer::Outcome::incomplete && !is_too_long) return std::nullopt;
  const bool is_a_row = parsed.outcome == ParsedAnswer::Outcome::complete && parsed.status == 200 &&
                        parsed.body.size() <= max_text;
  return is_a_row ? Answer{.text = parsed.body} : row_failure(502);
}

void write_pattern(std::uint32_t offset, std::span<char> room) {
  constexpr std::uint32_t record_size = 16;
  while (!room.empty()) {
    char record[record_size];
    std::uint32_t number = offset - offset % record_size;
    record[record_size - 1] = '\n';
    for (int i = record_size - 2; i >= 0; --i, number /= 10)
      record[i] = static_cast<char>('0' + number % 10);
    const std::size_t skipped = offset % record_size;
    const std::size_t count = std::min<std::size_t>(record_size - skipped, room.size());
    std::memcpy(room.data(), record + skipped, count);
    offset += static_cast<std::uint32_t>(count);
    room = room.subspan(count);
  }
}
