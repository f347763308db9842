#include "tests/unit/reference.hpp"

#include <algorithm>
#include <array>
#include <regex>

#include "common/http.hpp"
#include "common/site.hpp"

namespace {

std::string pattern(std::uint32_t size) {
  std::string text(size, ' ');
  write_pattern(0, text);
  return text;
}

}  // namespace

std::string reference_answers(std::string_view stream, const RowSource& row) {
  std::string answers;
  for (bool closes = false; !closes;) {
    std::uint32_t line_start = 0;
    const Parsed parsed = parse_request(stream, line_start);
    if (parsed.outcome == Parsed::Outcome::incomplete) break;
    const Request& request = parsed.request;
    const bool refused = parsed.outcome == Parsed::Outcome::refused;
    const std::size_t begin = std::min(stream.find_first_not_of("\r\n"), stream.size());
    const bool head_only = request.head_only || stream.substr(begin).starts_with("HEAD ");

    std::string row_text;
    Answer answer;
    if (refused) {
      answer = refusal(parsed);
    } else if (!asks_backend(request)) {
      answer = answer_to(request);
    } else if (row) {
      row_text = row(request.target);
      answer.text = row_text;
    } else {
      answer = no_backend();
    }
    closes = answer.closes || refused || !request.keep_alive;

    const std::string body =
        answer.pattern != 0 ? pattern(answer.pattern) : std::string(answer.text);
    std::array<char, max_answer_head> head;
    const std::size_t size = write_answer_head({.status = answer.status,
                                                .body_size = body.size(),
                                                .closes = closes,
                                                .keeps_http_1_0 = request.http_1_0},
                                               head);
    answers.append(head.data(), size);
    if (!head_only) answers += body;
    stream.remove_prefix(request.size);
  }
  return answers;
}

bool is_authority(std::string_view text) {
  static const std::regex form = [] {
    const std::string h16 = "[0-9A-Fa-f]{1,4}";
    const std::string octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9][0-9]|[0-9])";
    const std::string ls32 = "(" + h16 + ":" + h16 + "|" + octet + "(\\." + octet + "){3})";
    const auto left_of_gap = [&h16](int most) {
      return "((" + h16 + ":){0," + std::to_string(most) + "}" + h16 + ")?::";
    };
    std::string v6 = "(" + h16 + ":){6}" + ls32 + "|::(" + h16 + ":){5}" + ls32;
    for (int left = 0; left <= 4; ++left)
      v6 += "|" + left_of_gap(left) + "(" + h16 + ":){" + std::to_string(4 - left) + "}" + ls32;
    v6 += "|" + left_of_gap(5) + h16 + "|" + left_of_gap(6);
    const std::string in_names = "[-A-Za-z0-9._~!$&'()*+,;=";
    const std::string future = "[vV][0-9A-Fa-f]+\\." + in_names + ":]+";
    const std::string name = "(" + in_names + "]|%[0-9A-Fa-f]{2})+";
    return std::regex("(\\[(" + v6 + "|" + future + ")\\]|" + name + ")(:[0-9]*)?");
  }();
  return std::regex_match(text.begin(), text.end(), form);
}
