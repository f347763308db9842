#include <algorithm>
#include <cstdio>

#include "tests/measure/timeline/timeline.hpp"

namespace {

constexpr double width = 800;
constexpr double left = 132;  // the names are left of it
constexpr double right = 784;
constexpr double client_height = 22;
constexpr Microseconds long_work = 50'000;

// Ink and paper follow the page; no var(), which not every program that shows SVG knows.
constexpr const char* style = R"(<style>
text{font:12px system-ui,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.title{font-size:16px;font-weight:600}.small{font-size:11px}.word{font-size:10px}
.bold{font-weight:700}.middle{text-anchor:middle}
.paper{fill:#fff}.soft{fill:#57606a}.parked{fill:#a4adb6}.grid{fill:#e4e8ec}.inside{fill:#fff}
.A{fill:#c2334d}.B{fill:#96690a}.C{fill:#1a7f4b}.D{fill:#7d4fc0}.E{fill:#1f6fc4}
.asking{fill-opacity:.13;stroke:#96690a;stroke-dasharray:3 2}.waiting{fill-opacity:.3}
.connected{fill-opacity:.4}.hit{fill-opacity:0}.band{fill-opacity:.09}
@media(prefers-color-scheme:dark){
text{fill:#e6edf3}.paper{fill:#0d1117}.soft{fill:#9198a1}.parked{fill:#5b6570}.grid{fill:#21262d}
.inside{fill:#0d1117}.A{fill:#ff7b8a}.B{fill:#e3b341}.C{fill:#4ac27a}.D{fill:#b996ff}
.E{fill:#6cb6ff}.asking{stroke:#e3b341}.band{fill-opacity:.13}}
</style>
)";

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text)
    safe += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return safe;
}

std::string class_of(char letter) {
  return letter == nobody ? "soft" : std::string(1, letter);
}

class Picture {
 public:
  explicit Picture(const Timeline& timeline) : timeline_(timeline) {}

  std::string draw() {
    text(16, 24, "title", timeline_.server + ": " + headline());
    legend();
    y_ = 66;
    heading("five clients");
    const double top = y_ - 4;
    for (const Lane& lane : timeline_.clients) client(lane);
    y_ += 12;
    heading("the server");
    for (const Lane& lane : timeline_.threads) thread(lane);
    const std::string lanes = std::move(body_);
    body_.clear();
    ground(top, y_);
    body_ += lanes;
    y_ += 38;
    text(16, y_, "", totals_text(timeline_));
    text(16, y_ += 18, "small soft",
         "Drawn from strace, which slows each call. Work of microseconds is widened to be seen; a "
         "wait is a call of 0.1 ms or more.");
    text(16, y_ += 15, "small soft", timeline_.machine);
    const std::string size = number(width) + " " + number(y_ + 12);
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size + "\" width=\"" +
           number(width) + "\" height=\"" + number(y_ + 12) + "\" role=\"img\">\n<title>" +
           escaped(timeline_.server + ": " + headline()) + "</title>\n" + style +
           "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n" + body_ + "</svg>\n";
  }

 private:
  std::string headline() const {
    const std::size_t threads = timeline_.threads.size();
    char text[96];
    std::snprintf(text, sizeof text, "five clients, %s, %.2f s",
                  threads == 1 ? "one thread" : (std::to_string(threads) + " threads").c_str(),
                  static_cast<double>(timeline_.length) / 1e6);
    return text;
  }

  double x_of(Microseconds time) const {
    return left +
           static_cast<double>(time) / static_cast<double>(timeline_.length) * (right - left);
  }

  void text(double x, double y, const std::string& kind, const std::string& words) {
    body_ += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" class=\"" + kind + "\">" +
             escaped(words) + "</text>\n";
  }

  void box(double x, double y, double w, double h, const std::string& kind,
           const std::string& title = "") {
    body_ += "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(w) +
             "\" height=\"" + number(h) + "\" class=\"" + kind + "\"" +
             (title.empty() ? "/>\n" : "><title>" + escaped(title) + "</title></rect>\n");
  }

  void heading(const std::string& words) {
    text(16, y_ + 4, "small soft", words);
    y_ += 14;
  }

  void legend() {
    double x = 16;
    const auto entry = [&](double w, double h, const char* kind, const char* words, double room) {
      box(x, 42 - h / 2, w, h, kind);
      text(x + w + 6, 46, "small soft", words);
      x += room;
    };
    entry(18, 12, "asking B", "has sent half", 110);
    entry(18, 12, "waiting B", "waits", 70);
    entry(18, 12, "B", "is answered", 106);
    entry(3, 20, "B", "a thread works for that client", 186);
    entry(26, 3, "parked", "parked: asleep in the call that is named", 0);
  }

  void client(const Lane& lane) {
    text(16, y_ + 15, "bold " + class_of(lane.letter), lane.name.substr(0, 1));
    text(30, y_ + 15, "", lane.name.substr(3));
    double from = left;
    for (const Stretch& one : lane.stretches) {
      const double x = std::max(from, x_of(one.begin));
      const std::string kind = class_of(one.letter);
      if (one.state == State::connected) {
        box(x, y_ + 10, std::max(0.0, x_of(one.end) - x), 2, "connected " + kind, one.title);
        continue;
      }
      from = std::max(x_of(one.end), x + least_width);
      const char* look = one.state == State::asking    ? "asking "
                         : one.state == State::waiting ? "waiting "
                                                       : "";
      box(x, y_ + 3, from - x, 16, look + kind, one.title);
      if (one.state != State::waiting) continue;
      box(from, y_ + 3, least_width, 16, kind, "answered");
      from += least_width;
    }
    y_ += client_height;
  }

  // The lane of a thread that works for several is higher: more is to be seen there, and for whom
  // stands beneath.
  void thread(const Lane& lane) {
    const bool is_shared = lane.letter == nobody;
    const double height = is_shared ? 34 : 22;
    const double middle = y_ + height / 2;
    text(16, middle + 4, "", lane.name);
    double from = left;
    double lettered = is_shared ? 0 : width;
    for (const Stretch& one : lane.stretches) {
      const bool is_parked = one.state == State::parked;
      const double x = std::max(from, x_of(one.begin));
      from = std::max(x_of(one.end), x + (is_parked ? 0 : least_width));
      if (is_parked) {
        parked(one, x, from - x, middle, height);
        continue;
      }
      box(x, middle - height / 2 + 1, from - x, height - 2, class_of(one.letter), one.title);
      const std::string letter(one.letter == nobody ? 0 : 1, one.letter);
      if (from - x > 14) {
        text((x + from) / 2, middle + 4, "inside bold middle", letter);
      } else if (x > lettered && !letter.empty()) {
        text((x + from) / 2, middle + 27, "word bold middle " + letter, letter);
        lettered = x + 8;
      }
    }
    y_ += is_shared ? height + 16 : height + 2;
  }

  void parked(const Stretch& one, double x, double w, double middle, double height) {
    box(x, middle - 1.5, w, 3, "parked");
    box(x, middle - height / 2, w, height, "hit", one.title);
    const std::string words = label(one, w);
    if (!words.empty()) text(x + w / 2, middle - 4, "word soft middle", words);
  }

  // As much of it as there is room for.
  static std::string label(const Stretch& one, double room) {
    const auto fits = [room](const std::string& words) {
      return 5.6 * static_cast<double>(words.size()) < room - 6;
    };
    const std::string whole = one.about.empty() ? one.word : one.word + ": " + one.about;
    return fits(whole) ? whole : fits(one.word) ? one.word : "";
  }

  // Lies beneath the lanes, so it is drawn first: where somebody computes, and when it is.
  void ground(double top, double bottom) {
    for (const Lane& lane : timeline_.threads)
      for (const Stretch& one : lane.stretches)
        if (one.state == State::working && one.end - one.begin >= long_work)
          box(x_of(one.begin), top, x_of(one.end) - x_of(one.begin), bottom - top,
              "band " + class_of(one.letter));
    const Microseconds step = timeline_.length > 2'000'000 ? 500'000 : 100'000;
    for (Microseconds time = 0; time <= timeline_.length; time += step) {
      box(x_of(time) - 0.5, top, 1, bottom - top, "grid");
      text(x_of(time), bottom + 14, "small soft middle",
           std::to_string(time / 1000) + (time == 0 ? " ms" : ""));
    }
  }

  const Timeline& timeline_;
  std::string body_;
  double y_ = 0;
};

}  // namespace

std::string draw_svg(const Timeline& timeline) {
  return Picture(timeline).draw();
}
