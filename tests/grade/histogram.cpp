#include "tests/grade/histogram.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace {

struct Row {
  std::string id;
  std::string title;
  int asked = 0;
  int failed = 0;
  int not_reached = 0;
};

// In the order of the checks; a report may have some of them only.
std::vector<Row> rows_of(const std::vector<Report>& reports) {
  std::vector<Row> rows;
  for (const Report& report : reports)
    for (const CheckReport& check : report.checks) {
      auto row = std::find_if(rows.begin(), rows.end(),
                              [&check](const Row& one) { return one.id == check.id; });
      if (row == rows.end()) row = rows.insert(rows.end(), {check.id, check.title});
      ++row->asked;
      row->failed += check.verdict == Verdict::failed ? 1 : 0;
      row->not_reached += check.verdict == Verdict::blocked ? 1 : 0;
    }
  return rows;
}

std::string bar(int value, int of) {
  return std::string(static_cast<std::size_t>(value * 20 / std::max(of, 1)), '#');
}

}  // namespace

std::string histogram_of(const std::vector<Report>& reports) {
  std::array<int, 11> scores{};  // below 10, below 20, ..., all
  for (const Report& report : reports) {
    const int most = report.problem.empty() ? std::max(report.most(), 1) : 100;
    ++scores[static_cast<std::size_t>(report.score() * 10 / most)];
  }
  const std::string& exercise = reports.front().exercise;
  std::string text = exercise + ": how many have how many points\n";
  char line[80];
  for (int i = 0; i <= 10; ++i) {
    const std::string label =
        i == 10 ? "100" : std::to_string(i * 10) + "-" + std::to_string(i * 10 + 9);
    const int count = scores[static_cast<std::size_t>(i)];
    std::snprintf(line, sizeof line, "  %-7s %4d  ", label.c_str(), count);
    text += line + bar(count, *std::max_element(scores.begin(), scores.end())) + "\n";
  }
  const std::vector<Row> rows = rows_of(reports);
  if (!rows.empty())
    text += exercise + ": how many failed which check (#), or did not get to it (.)\n";
  for (const Row& row : rows) {
    std::string lost = bar(row.failed, row.asked);
    lost.resize(bar(row.failed + row.not_reached, row.asked).size(), '.');
    std::snprintf(line, sizeof line, "  %-4s %4d and %4d of %4d  %-20s  ", row.id.c_str(),
                  row.failed, row.not_reached, row.asked, lost.c_str());
    text += line + row.title + "\n";
  }
  return text + "\n";
}
