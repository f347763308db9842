#include "common/http.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <optional>

namespace two_ways {

namespace {

constexpr int good = 0;  // otherwise the status to refuse with

// -- characters (RFC 9110 5.5, 5.6.2; RFC 3986 for the target, which is read loosely) --

enum Class : std::uint8_t {
  token = 1,
  value = 2,
  target = 4,
  host_name = 8,
  ip_literal = 16,
  digit = 32,
  hex_digit = 64
};

constexpr auto classes = [] {
  std::array<std::uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const auto contains = [c](std::string_view set) {
      return set.find(static_cast<char>(c)) != std::string_view::npos;
    };
    const bool is_digit = c >= '0' && c <= '9';
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool is_visible = c > ' ' && c < 0x7f;
    const bool is_in_names = is_digit || is_letter || contains("-._~!$&'()*+,;=");
    auto& entry = table[static_cast<std::size_t>(c)];
    if (is_digit) entry |= digit;
    if (is_digit || is_letter || (c != 0 && contains("!#$%&'*+-.^_`|~"))) entry |= token;
    if (is_visible || c == ' ' || c == '\t' || c >= 0x80) entry |= value;
    if (is_visible && c != '#') entry |= target;
    if (is_in_names) entry |= host_name;
    if (is_in_names || c == ':') entry |= ip_literal;
    if (is_digit || contains("abcdefABCDEF")) entry |= hex_digit;
  }
  return table;
}();

bool is(char c, Class which) {
  return (classes[static_cast<unsigned char>(c)] & which) != 0;
}

bool all(std::string_view text, Class which) {
  for (const char c : text)
    if (!is(c, which)) return false;
  return true;
}

// Names of fields, schemes and connection options do not care about case. `b` is in lower case, of
// letters, digits and hyphens; a letter's case is one bit.
bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if ((a[i] | 0x20) != b[i]) return false;
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Cuts `text` at the first `separator`: returns what is before it and leaves what is behind it.
std::string_view cut(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return front;
}

// Reads a head, or its target, from left to right. CR or a blank is behind it, of no class that is
// asked for there: every run ends in time.
class Scanner {
 public:
  explicit Scanner(std::string_view head) : at_(head.data()), end_(at_ + head.size()) {}

  // The longest piece of this class, which may be empty.
  std::string_view run(Class which) {
    const char* begin = at_;
    const char* end = begin;
    while (is(*end, which)) ++end;
    at_ = end;
    return {begin, static_cast<std::size_t>(end - begin)};
  }

  bool take(std::string_view words) {
    if (static_cast<std::size_t>(end_ - at_) < words.size()) return false;
    if (std::memcmp(at_, words.data(), words.size()) != 0) return false;
    at_ += words.size();
    return true;
  }

  // Optional white space (RFC 9110 5.6.3).
  void skip_space() {
    while (*at_ == ' ' || *at_ == '\t') ++at_;
  }

  const char* at() const { return at_; }

 private:
  const char* at_;
  const char* end_;
};

// -- the head as a whole --

// Finds the empty line. Every line must end in CR LF: a bare LF is refused, because two programs
// that disagree about where a line ends can be made to disagree about where a request ends.
struct HeadSearch {
  std::size_t size = 0;  // 0: not all there yet
  bool bare_line_feed = false;
};

HeadSearch find_head(std::string_view bytes, std::size_t begin, std::uint32_t& line_start) {
  for (;;) {
    const std::size_t feed = bytes.find('\n', line_start);
    if (feed == std::string_view::npos) return {};
    if (feed == line_start || bytes[feed - 1] != '\r') return {.bare_line_feed = true};
    const bool empty = feed == line_start + 1;
    const bool before_the_request = line_start == begin;
    line_start = static_cast<std::uint32_t>(feed + 1);
    if (empty && !before_the_request) return {.size = feed + 1};
  }
}

// Empty lines before a request are skipped: some old clients send one too many (RFC 9112 2.2).
std::size_t count_leading_empty_lines(std::string_view bytes) {
  std::size_t size = 0;
  while (bytes.substr(size, 2) == "\r\n") size += 2;
  return size;
}

bool target_is_too_long(std::string_view bytes) {
  cut(bytes, ' ');
  return bytes.find_first_of(" \r\n") > max_request_target && bytes.size() > max_request_target;
}

// -- who is asked: "host" or "host:port", in Host and in an absolute target (RFC 9110 7.2) --

// What may stand in brackets: an address of IPv6, or of a version to come, "v7.words" (RFC 3986
// 3.2.2). inet_pton(3) takes the same forms of the former.
bool is_ip_literal(std::string_view text) {
  if (same_name(text.substr(0, 1), "v")) {
    text.remove_prefix(1);
    const std::string_view version = cut(text, '.');
    return !version.empty() && all(version, hex_digit) && !text.empty();
  }
  char address[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof address) return false;
  text.copy(address, text.size());
  in6_addr unused;
  return inet_pton(AF_INET6, address, &unused) == 1;
}

// A host is a name, with %41 for A and the like, or an address. One of IPv4 has a name's form. An
// http URI without a host is invalid (RFC 9110 4.2.1); a port may be empty.
bool take_authority(Scanner& scanner) {
  if (scanner.take("[")) {
    const std::string_view address = scanner.run(ip_literal);
    if (!scanner.take("]") || !is_ip_literal(address)) return false;
  } else {
    const char* begin = scanner.at();
    scanner.run(host_name);
    while (scanner.take("%")) {
      if (scanner.run(hex_digit).size() < 2) return false;
      scanner.run(host_name);
    }
    if (scanner.at() == begin) return false;
  }
  if (scanner.take(":")) scanner.run(digit);
  return true;
}

// -- the request line (RFC 9112 3) --

// What a head says, before it is judged.
struct Head {
  int method_status = good;
  std::string_view target = {};
  int hosts = 0;
  int lengths = 0;
  bool has_transfer_encoding = false;
  bool has_body = false;
  bool has_unknown_expectation = false;
  bool says_close = false;
  bool says_keep_alive = false;
};

int read_method(std::string_view method, Request& request) {
  if (method == "HEAD") {
    request.head_only = true;
    return good;
  }
  if (method.empty()) return 400;
  static constexpr std::string_view known_methods[] = {"POST",  "PUT",   "DELETE", "OPTIONS",
                                                       "TRACE", "PATCH", "CONNECT"};
  for (const std::string_view known : known_methods)
    if (method == known) return 405;
  return 501;
}

int read_version(std::string_view version, Request& request) {
  const bool has_form = version.size() == 8 && version.starts_with("HTTP/") &&
                        is(version[5], digit) && version[6] == '.' && is(version[7], digit);
  if (!has_form) return 400;
  if (version[5] != '1') return 505;
  request.http_1_0 = version[7] == '0';
  request.keep_alive = !request.http_1_0;
  return good;
}

int read_target(std::string_view text, Request& request) {
  if (text.size() > max_request_target) return 414;
  if (text.empty()) return 400;
  if (text.front() != '/') {
    // The absolute form, "http://host/path", is for proxies but must be understood (3.2.2).
    if (!same_name(cut(text, ':'), "http") || !text.starts_with("//")) return 400;
    Scanner scanner(text.substr(2));
    if (!take_authority(scanner)) return 400;
    text.remove_prefix(static_cast<std::size_t>(scanner.at() - text.data()));
    if (text.empty()) text = "/";
    if (text.front() != '/' && text.front() != '?') return 400;
  }
  request.target = text;
  return good;
}

int read_request_line(Scanner& scanner, Head& head, Request& request) {
  if (!scanner.take("GET ")) {
    head.method_status = read_method(scanner.run(token), request);
    if (!scanner.take(" ")) return 400;
  }
  head.target = scanner.run(target);
  if (!scanner.take(" ")) return 400;
  if (scanner.take("HTTP/1.1\r\n")) {
    request.keep_alive = true;
    return good;
  }
  const std::string_view version = scanner.run(target);
  if (!scanner.take("\r\n")) return 400;
  return read_version(version, request);
}

// -- the fields (RFC 9112 5) --

void read_connection(std::string_view options, Head& head) {
  while (!options.empty()) {
    const std::string_view option = trimmed(cut(options, ','));
    if (same_name(option, "close")) head.says_close = true;
    if (same_name(option, "keep-alive")) head.says_keep_alive = true;
  }
}

bool read_length(std::string_view length, Head& head) {
  if (length.empty() || !all(length, digit)) return false;
  head.has_body = length.find_first_not_of('0') != std::string_view::npos;
  return ++head.lengths == 1;  // twice is malformed or a trick (RFC 9112 6.3)
}

// Most often it is a plain name and nothing else, or, for a target without an authority, empty
// (3.2).
bool read_host(Scanner& scanner) {
  Scanner unusual = scanner;
  scanner.run(host_name);
  if (scanner.take("\r\n")) return true;
  if (!take_authority(unusual)) return false;
  scanner = unusual;
  scanner.skip_space();
  return scanner.take("\r\n");
}

bool read_field(std::string_view name, Scanner& scanner, Head& head) {
  scanner.skip_space();
  if (same_name(name, "host")) {
    ++head.hosts;
    return read_host(scanner);
  }
  const std::string_view content = trimmed(scanner.run(value));
  if (!scanner.take("\r\n")) return false;
  if (same_name(name, "connection")) read_connection(content, head);
  if (same_name(name, "content-length")) return read_length(content, head);
  if (same_name(name, "transfer-encoding")) head.has_transfer_encoding = true;
  if (same_name(name, "expect") && !same_name(content, "100-continue"))
    head.has_unknown_expectation = true;
  return true;
}

// The head has the form of one. Is it a request that is served here? First the faults that it would
// have at any server. Then the method, for what else there may be depends on it: POST has a body,
// OPTIONS and CONNECT have targets of their own. The body of a GET is never read, so it is refused:
// taken for the next request, it would let one client speak in the name of another (request
// smuggling, 11.2).
int judge(const Head& head, Request& request) {
  if (head.hosts > 1 || (head.hosts == 0 && !request.http_1_0)) return 400;
  if (head.method_status != good) return head.method_status;
  if (const int status = read_target(head.target, request); status != good) return status;
  if (head.has_transfer_encoding) return 501;
  if (head.has_body) return 400;
  if (head.has_unknown_expectation) return 417;
  if (head.says_close)
    request.keep_alive = false;
  else if (head.says_keep_alive)
    request.keep_alive = true;
  return good;
}

// Reads a whole head, or several one after the other of which this is the first.
// An obsolete folded line, a line without a colon, a space before the colon, a control character, a
// CR or LF that stands alone: all of them end here with a 400. So does a version that is not 1.x,
// with a 505: what the rest means depends on it.
int read_head(std::string_view bytes, Request& request) {
  Scanner scanner(bytes);
  Head head;
  if (const int status = read_request_line(scanner, head, request); status != good) return status;
  while (!scanner.take("\r\n")) {
    const std::string_view name = scanner.run(token);
    if (name.empty() || !scanner.take(":") || !read_field(name, scanner, head)) return 400;
  }
  request.size = static_cast<std::uint32_t>(scanner.at() - bytes.data());
  return judge(head, request);
}

Parsed refused(int status) {
  return {.outcome = Parsed::Outcome::refused, .status = status};
}

}  // namespace

Parsed parse_request(std::string_view bytes, std::uint32_t& line_start) {
  Parsed parsed;
  // Most often all that has come is one request, or several, to the last byte. Then there is no
  // need to look for its end first. If anything is wrong with it, the long way has the last word.
  if (line_start == 0 && bytes.size() <= max_request_head && bytes.ends_with("\r\n\r\n") &&
      read_head(bytes, parsed.request) == good) {
    parsed.outcome = Parsed::Outcome::request;
    return parsed;
  }

  // Bytes behind the longest head are not looked at, so that the verdict is the same whether they
  // have come already or not.
  const bool is_full = bytes.size() > max_request_head;
  bytes = bytes.substr(0, max_request_head);
  const std::size_t begin = count_leading_empty_lines(bytes);
  if (line_start < begin) line_start = static_cast<std::uint32_t>(begin);
  const HeadSearch head = find_head(bytes, begin, line_start);
  if (head.bare_line_feed)
    return {.outcome = Parsed::Outcome::refused, .status = 400, .bare_line_feed = true};
  if (head.size == 0 && !is_full) return {};
  if (head.size == 0) return refused(target_is_too_long(bytes.substr(begin)) ? 414 : 431);

  parsed = {.outcome = Parsed::Outcome::request};
  parsed.status = read_head(bytes.substr(begin, head.size - begin), parsed.request);
  parsed.request.size = static_cast<std::uint32_t>(head.size);
  if (parsed.status != good) parsed.outcome = Parsed::Outcome::refused;
  return parsed;
}

// -- responses --

namespace {

class Writer {
 public:
  explicit Writer(std::span<char> room) : begin_(room.data()), at_(begin_) {}

  void add(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }

  void add(std::size_t number) { at_ = std::to_chars(at_, at_ + 20, number).ptr; }

  std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }

 private:
  char* begin_;
  char* at_;
};

void put_number(char* at, int digits, unsigned number) {
  for (int i = digits - 1; i >= 0; --i, number /= 10) at[i] = static_cast<char>('0' + number % 10);
}

// Writes the changing parts of "Sun, 06 Nov 1994 08:49:37 GMT".
void write_date(std::time_t moment, char* at) {
  using namespace std::chrono;
  const sys_seconds since_1970{seconds(moment)};
  const auto day = floor<days>(since_1970);
  const year_month_day date(day);
  const hh_mm_ss time(since_1970 - day);
  constexpr std::string_view weekdays = "SunMonTueWedThuFriSat";
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  weekdays.copy(at, 3, weekday(day).c_encoding() * 3);
  put_number(at + 5, 2, static_cast<unsigned>(date.day()));
  months.copy(at + 8, 3, (static_cast<unsigned>(date.month()) - 1) * 3);
  put_number(at + 12, 4, static_cast<unsigned>(static_cast<int>(date.year())));
  put_number(at + 17, 2, static_cast<unsigned>(time.hours().count()));
  put_number(at + 20, 2, static_cast<unsigned>(time.minutes().count()));
  put_number(at + 23, 2, static_cast<unsigned>(time.seconds().count()));
}

// The beginning of nearly every response, with the date (RFC 9110 5.6.7, 6.6.1), made once a
// second.
std::string_view usual_beginning() {
  constexpr std::string_view form =
      "HTTP/1.1 200 OK\r\n"
      "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n"
      "Content-Length: ";
  constexpr std::size_t date = form.find("Sun");
  thread_local std::time_t second = -1;
  thread_local std::array<char, form.size()> text;
  const std::time_t now = std::time(nullptr);
  if (now == second) return {text.data(), text.size()};

  form.copy(text.data(), form.size());
  write_date(now, text.data() + date);
  second = now;
  return {text.data(), text.size()};
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

std::size_t write_response_head(const ResponseHead& head, std::span<char> room) {
  Writer writer(room);
  std::string_view beginning = usual_beginning();
  if (head.status != 200) {
    writer.add("HTTP/1.1 ");
    writer.add(static_cast<std::size_t>(head.status));
    writer.add(" ");
    writer.add(reason_phrase(head.status));
    beginning.remove_prefix(beginning.find('\r'));
  }
  writer.add(beginning);
  writer.add(head.body_size);
  if (head.status == 405) writer.add("\r\nAllow: GET, HEAD");
  if (head.closes)
    writer.add("\r\nConnection: close");
  else if (head.keeps_http_1_0)
    writer.add("\r\nConnection: keep-alive");
  writer.add("\r\n\r\n");
  return writer.size();
}

// -- responses of another server --

namespace {

// "HTTP/1.1 200 OK": the status, or nothing.
std::optional<int> read_status_line(std::string_view line) {
  const bool has_form = line.size() >= 12 && line.starts_with("HTTP/1.") && is(line[7], digit) &&
                        line[8] == ' ' && all(line.substr(9, 3), digit);
  if (!has_form || (line.size() > 12 && line[12] != ' ')) return std::nullopt;
  return (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
}

std::optional<std::size_t> read_size(std::string_view text) {
  std::size_t size = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, size);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return size;
}

ParsedResponse unfinished(bool ended) {
  return {.outcome = ended ? ParsedResponse::Outcome::broken : ParsedResponse::Outcome::incomplete};
}

constexpr ParsedResponse broken{.outcome = ParsedResponse::Outcome::broken};

}  // namespace

ParsedResponse parse_response(std::string_view bytes, bool ended) {
  const std::size_t head_end = bytes.find("\r\n\r\n");
  const bool is_whole = head_end != std::string_view::npos;
  if ((is_whole ? head_end + 4 : bytes.size()) > max_request_head) return broken;
  if (!is_whole) return unfinished(ended);

  std::string_view head = bytes.substr(0, head_end + 2);
  std::string_view body = bytes.substr(head_end + 4);
  const std::optional<int> status = read_status_line(head.substr(0, head.find('\r')));
  if (!status) return broken;

  std::optional<std::size_t> announced;
  cut(head, '\n');
  while (!head.empty()) {
    std::string_view content = cut(head, '\n');
    const std::string_view name = cut(content, ':');
    if (name.empty() || !all(name, token)) return broken;
    if (!content.empty() && content.back() == '\r') content.remove_suffix(1);
    if (same_name(name, "transfer-encoding")) return broken;  // not allowed towards HTTP/1.0
    if (!same_name(name, "content-length")) continue;
    const auto size = read_size(trimmed(content));
    if (!size || (announced && *announced != *size)) return broken;
    announced = size;
  }

  const bool all_there = announced ? body.size() >= *announced : ended;
  if (!all_there) return unfinished(ended);
  return {.outcome = ParsedResponse::Outcome::complete,
          .status = *status,
          .body = announced ? body.substr(0, *announced) : body};
}

}  // namespace two_ways
