#include "common/handler.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>

namespace two_ways {

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

Response respond_with_bytes(std::string_view count) {
  const auto number = read_number(count, max_generated);
  if (!number)
    return {.status = 400, .text = "/bytes/N takes a whole number from 0 to 1073741824.\n"};
  return {.generated = *number};
}

Response respond_after_spin(std::string_view milliseconds) {
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

Response respond_to(const Request& request) {
  constexpr Response greeting{.text = "Hello. This server is waiting for you.\n"};
  if (request.target == "/") return greeting;  // a short cut for the most asked
  std::string_view path = path_of(request);
  if (path == "/" || path.empty()) return greeting;
  if (path == "/row") return {.is_from_backend = true};
  if (take_prefix(path, "/bytes/")) return respond_with_bytes(path);
  if (take_prefix(path, "/spin/")) return respond_after_spin(path);
  path = request.target;  // what is to be echoed may contain a question mark
  if (take_prefix(path, "/echo/")) return {.text = path};
  return {.status = 404,
          .text = "There is only /, /echo/TEXT, /bytes/N, /row and /spin/MS here.\n"};
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

}  // namespace two_ways
