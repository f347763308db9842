#include <algorithm>
#include <array>

#include "tests/measure/text_table.hpp"
#include "tests/measure/timeline/timeline.hpp"

namespace {

constexpr std::size_t name_width = 18;
constexpr std::size_t columns = screen_width - name_width;

struct Signs {
  const char* parked;
  const char* connected;
  const char* asking;
  const char* waiting;
  const char* answered;
};
constexpr Signs blocks = {"─", "·", "░", "▒", "█"};
constexpr Signs ascii = {"-", ".", ":", "=", "#"};

class Page {
 public:
  Page(const Timeline& timeline, const TextStyle& style)
      : timeline_(timeline), colours_(style.colours), signs_(style.unicode ? blocks : ascii) {}

  std::string draw() const {
    std::string text = timeline_.server + "\n";
    for (const Lane& lane : timeline_.clients) text += line_of(lane);
    text += ruler();
    for (const Lane& lane : timeline_.threads) text += line_of(lane);
    return text + legend() + totals_text(timeline_) + "\n";
  }

 private:
  std::string legend() const {
    return std::string(signs_.asking) + " has sent half  " + signs_.waiting + " waits  " +
           signs_.answered + " is answered  " + signs_.parked +
           " parked  A works for A  * for nobody\n";
  }

  std::size_t column_of(Microseconds time) const {
    const auto length = static_cast<std::size_t>(timeline_.length);
    return std::min(static_cast<std::size_t>(time) * columns / length, columns - 1);
  }

  std::string ruler() const {
    std::string line;
    const Microseconds step = timeline_.length > 1'000'000 ? 200'000 : 100'000;
    for (Microseconds time = 0; time < timeline_.length; time += step) {
      line.resize(name_width + column_of(time), ' ');
      line += std::to_string(time / 1000) + (time == 0 ? " ms" : "");
    }
    return (line.size() > screen_width ? line.substr(0, line.rfind(' ')) : line) + "\n";
  }

  // In each column what tells most of all that happens there.
  std::string line_of(const Lane& lane) const {
    std::array<const Stretch*, columns> cells{};
    for (const Stretch& one : lane.stretches)
      for (std::size_t at = column_of(one.begin); at <= column_of(one.end - 1); ++at)
        if (cells[at] == nullptr || tells_more(one, *cells[at])) cells[at] = &one;
    std::string line = lane.name.substr(0, name_width - 1);
    line.resize(name_width, ' ');
    for (const Stretch* const cell : cells) line += cell == nullptr ? " " : sign(*cell);
    return line + "\n";
  }

  // Work for somebody, then work for nobody, then rest; of two alike the longer one.
  static bool tells_more(const Stretch& one, const Stretch& other) {
    const auto rank = [](const Stretch& it) {
      const bool rests = it.state == State::parked || it.state == State::connected;
      return rests ? 0 : it.letter == nobody ? 1 : 2;
    };
    if (rank(one) != rank(other)) return rank(one) > rank(other);
    return one.end - one.begin > other.end - other.begin;
  }

  std::string sign(const Stretch& one) const {
    const bool is_brief = one.end - one.begin < timeline_.length / Microseconds{columns};
    switch (one.state) {
      case State::parked:
        return signs_.parked;
      case State::connected:
        return signs_.connected;
      case State::asking:
        return coloured(one, signs_.asking);
      case State::waiting:
        return coloured(one, is_brief ? signs_.answered : signs_.waiting);
      case State::reading:
        return coloured(one, signs_.answered);
      case State::working:
        break;
    }
    return one.letter == nobody ? "*" : coloured(one, std::string(1, one.letter));
  }

  std::string coloured(const Stretch& one, const std::string& sign) const {
    constexpr std::array colours = {"31", "33", "32", "35", "34"};  // A to E
    if (!colours_) return sign;
    const char* inverse = one.state == State::working ? ";7m" : "m";
    return std::string("\033[") + colours[static_cast<std::size_t>(one.letter - 'A')] + inverse +
           sign + "\033[m";
  }

  const Timeline& timeline_;
  bool colours_;
  Signs signs_;
};

}  // namespace

std::string draw_text(const Timeline& timeline, const TextStyle& style) {
  return Page(timeline, style).draw();
}
