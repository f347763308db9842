#include "tests/unit/reference.hpp"

#include <algorithm>
#include <array>
#include <regex>

#include "common/backend.hpp"
#include "common/handler.hpp"
#include "common/http_codec.hpp"

using namespace two_ways;

namespace {

std::string pattern(std::uint32_t size) {
  std::string text(size, ' ');
  write_pattern(0, text);
  return text;
}

}  // namespace

std::string reference_responses(std::string_view stream, const RowSource& row) {
  std::string responses;
  for (bool closes = false; !closes;) {
    std::uint32_t line_start = 0;
    const Parsed parsed = parse_request(stream, line_start);
    if (parsed.outcome == Parsed::Outcome::incomplete) break;
    const Request& request = parsed.request;
    const bool refused = parsed.outcome == Parsed::Outcome::refused;
    const std::size_t begin = std::min(stream.find_first_not_of("\r\n"), stream.size());
    const bool head_only = request.head_only || stream.substr(begin).starts_with("HEAD ");

    std::string row_text;
    Response response = refused ? refusal(parsed) : handle(request);
    if (response.is_from_backend && row) {
      row_text = row(request.target);
      response.text = row_text;
    } else if (response.is_from_backend) {
      response = no_backend();
    }
    closes = response.closes || refused || !request.keep_alive;

    const std::string body =
        response.generated != 0 ? pattern(response.generated) : std::string(response.text);
    std::array<char, max_response_head> head;
    const std::size_t size = write_response_head({.status = response.status,
                                                  .body_size = body.size(),
                                                  .closes = closes,
                                                  .keeps_http_1_0 = request.http_1_0},
                                                 head);
    responses.append(head.data(), size);
    if (!head_only) responses += body;
    stream.remove_prefix(request.size);
  }
  return responses;
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
