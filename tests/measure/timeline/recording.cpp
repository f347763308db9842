#include "tests/measure/timeline/recording.hpp"

#include <algorithm>
#include <cstdio>
#include <istream>
#include <stdexcept>
#include <string_view>

namespace {

class Reader {
 public:
  Recording read(std::istream& file) {
    for (std::string line; std::getline(file, line);) {
      const bool is_understood =
          line.starts_with("# ") ? read_note(line.substr(2)) : read_call(line);
      if (!is_understood) throw std::runtime_error("not a line of a recording: " + line);
    }
    // What was under way when the server ended has no end of its own.
    for (const auto& [thread, call] : unfinished_) found_.calls[call].end = last_;
    return std::move(found_);
  }

 private:
  bool read_note(const std::string& line) {
    const std::size_t colon = line.find(": ");
    if (line.size() > 1 && line[1] == ' ') return read_step(line);
    if (colon == std::string::npos) return false;
    const std::string name = line.substr(0, colon);
    const std::string value = line.substr(colon + 2);
    if (name == "server") found_.server = value;
    if (name == "machine") found_.machine = value;
    // "Linux 6.18.44 x86_64" and "2026-11-26 18:37 UTC": the version and the day say enough.
    if (name == "kernel")
      found_.machine += "; " + value.substr(0, value.find_first_of(".-", value.find('.') + 1));
    if (name == "date") found_.machine += "; " + value.substr(0, value.find(' '));
    return true;
  }

  bool read_step(const std::string& line) {
    ClientStep step{line[0], 0, ""};
    std::string_view rest = std::string_view(line).substr(2);
    if (!read_time(rest, step.at)) return false;
    step.what = rest;
    found_.steps.push_back(step);
    return true;
  }

  // "1795718260.613448 " from the front.
  bool read_time(std::string_view& text, Microseconds& time) {
    long long seconds = 0;
    int parts = 0;
    int length = 0;
    const std::string copy(text.substr(0, text.find(' ') + 1));
    if (std::sscanf(copy.c_str(), "%lld.%6d %n", &seconds, &parts, &length) != 2) return false;
    time = seconds * 1'000'000 + parts;
    last_ = std::max(last_, time);
    text.remove_prefix(static_cast<std::size_t>(length));
    return true;
  }

  // "21623 1795718260.613448 recvfrom(10, ..."
  bool read_call(const std::string& line) {
    Call call;
    int length = 0;
    if (std::sscanf(line.c_str(), "%d %n", &call.thread, &length) != 1) return false;
    std::string_view rest = std::string_view(line).substr(static_cast<std::size_t>(length));
    if (!read_time(rest, call.begin)) return false;
    if (rest.starts_with("+++")) {
      found_.exits[call.thread] = call.begin;
      return true;
    }
    if (rest.starts_with("<... ")) return resume(call.thread, call.begin, rest);
    const std::size_t bracket = rest.find('(');
    if (bracket == std::string_view::npos) return false;
    call.name = rest.substr(0, bracket);
    rest.remove_prefix(bracket + 1);
    constexpr std::string_view cut = " <unfinished ...>";
    if (rest.ends_with(cut)) {
      rest.remove_suffix(cut.size());
      call.arguments = rest;
      unfinished_[call.thread] = found_.calls.size();
    } else if (!finish(call, call.begin, rest)) {
      return false;
    }
    found_.calls.push_back(std::move(call));
    return true;
  }

  // "<... recvfrom resumed>"GET", 1024, 0, NULL, NULL) = 27 <0.039775>"
  bool resume(int thread, Microseconds now, std::string_view rest) {
    const auto found = unfinished_.find(thread);
    constexpr std::string_view mark = " resumed>";
    const std::size_t at = rest.find(mark);
    if (found == unfinished_.end() || at == std::string_view::npos) return false;
    Call& call = found_.calls[found->second];
    unfinished_.erase(found);
    if (!finish(call, call.begin, rest.substr(at + mark.size()))) return false;
    call.end = now;
    return true;
  }

  // What stands behind the bracket: "10, "GET", 1024) = 27 <0.000019>". No text that a client of
  // the scene sends has such an end.
  static bool finish(Call& call, Microseconds begin, std::string_view rest) {
    const std::size_t equals = rest.rfind(" = ");
    const std::size_t bracket = rest.rfind(')', equals);
    if (equals == std::string_view::npos || bracket == std::string_view::npos) return false;
    call.arguments += rest.substr(0, bracket);
    std::string_view result = rest.substr(equals + 3);
    int seconds = 0;
    int parts = 0;
    const std::size_t angle = result.rfind(" <");
    if (angle != std::string_view::npos)
      (void)std::sscanf(std::string(result.substr(angle)).c_str(), " <%d.%6d>", &seconds, &parts);
    call.result = result.substr(0, angle);
    call.end = begin + Microseconds{seconds} * 1'000'000 + parts;
    return true;
  }

  Recording found_;
  std::map<int, std::size_t> unfinished_;  // a thread's call, which is waiting for its second line
  Microseconds last_ = 0;
};

}  // namespace

Recording read_recording(std::istream& file) {
  return Reader().read(file);
}
