#include "tests/grade/histogram.hpp"

#include <algorithm>
#include <cstdio>

namespace {

std::string label_of(std::size_t place) {
  if (place == 10) return "100";
  return std::to_string(place * 10) + "-" + std::to_string(place * 10 + 9);
}

int most_of(const ClassHistogram& histogram) {
  return std::max(1, *std::max_element(histogram.scores.begin(), histogram.scores.end()));
}

class Drawing {
 public:
  void heading(const std::string& words) {
    y_ += 26;
    body_ += "<text x='8' y='" + std::to_string(y_) + "' font-weight='bold'>" + words + "</text>\n";
    y_ += 4;
  }

  // A label, a bar from 0 to `of`, and what it stands for.
  void bar(const std::string& label, int value, int of, const std::string& title,
           const char* color) {
    y_ += 16;
    const std::string y = std::to_string(y_);
    const std::string top = std::to_string(y_ - 11);
    body_ += "<g>" + (title.empty() ? "" : "<title>" + title + "</title>");
    body_ += "<text x='16' y='" + y + "'>" + label + "</text>";
    body_ += "<rect x='72' y='" + top + "' width='240' height='12' fill='#eeeeee'/>";
    body_ += "<rect x='72' y='" + top + "' width='" +
             std::to_string(value * 240 / std::max(of, 1)) + "' height='12' fill='" + color + "'/>";
    body_ += "<text x='320' y='" + y + "'>" + std::to_string(value) + "</text>";
    body_ += "<text x='360' y='" + y + "'>" + title + "</text></g>\n";
  }

  std::string str() const {
    return "<svg xmlns='http://www.w3.org/2000/svg' width='860' height='" +
           std::to_string(y_ + 16) + "' font-family='sans-serif' font-size='12'>\n" +
           "<rect width='100%' height='100%' fill='white'/>\n" + body_ + "</svg>\n";
  }

 private:
  std::string body_;
  int y_ = 0;
};

}  // namespace

void ClassHistogram::add(const CheckReport& check) {
  auto row = std::find_if(rows.begin(), rows.end(),
                          [&check](const Row& one) { return one.id == check.id; });
  if (row == rows.end()) row = rows.insert(rows.end(), {check.id, check.title});
  ++row->asked;
  row->lost += check.is_lost() ? 1 : 0;
}

std::string histogram_as_text(const std::vector<ClassHistogram>& all) {
  std::string text;
  char line[80];
  const auto bar = [](int value, int of) {
    return std::string(static_cast<std::size_t>(value * 20 / std::max(of, 1)), '#');
  };
  for (const ClassHistogram& histogram : all) {
    text += histogram.exercise + ": how many have how many points\n";
    for (std::size_t i = 0; i < histogram.scores.size(); ++i) {
      std::snprintf(line, sizeof line, "  %-7s %4d  ", label_of(i).c_str(), histogram.scores[i]);
      text += line + bar(histogram.scores[i], most_of(histogram)) + "\n";
    }
    if (!histogram.rows.empty())
      text += histogram.exercise + ": how many failed which check, or did not get to it\n";
    for (const ClassHistogram::Row& row : histogram.rows) {
      std::snprintf(line, sizeof line, "  %-4s %4d of %4d  %-20s  ", row.id.c_str(), row.lost,
                    row.asked, bar(row.lost, row.asked).c_str());
      text += line + row.title + "\n";
    }
    text += "\n";
  }
  return text;
}

std::string histogram_as_drawing(const std::vector<ClassHistogram>& all) {
  Drawing drawing;
  for (const ClassHistogram& histogram : all) {
    drawing.heading(histogram.exercise + ": how many have how many points");
    for (std::size_t i = 0; i < histogram.scores.size(); ++i)
      drawing.bar(label_of(i), histogram.scores[i], most_of(histogram), "", "#4070a0");
    if (histogram.rows.empty()) continue;
    drawing.heading(histogram.exercise + ": how many failed which check, or did not get to it");
    for (const ClassHistogram::Row& row : histogram.rows)
      drawing.bar(row.id, row.lost, row.asked, in_xml(row.title), "#a04030");
  }
  return drawing.str();
}
