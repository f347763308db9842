// histogram.hpp — how a class has done in one exercise: the scores, and who failed which check.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tests/grade/report.hpp"

struct ClassHistogram {
  struct Row {
    std::string id;
    std::string title;
    int asked = 0;
    int lost = 0;
  };
  std::string exercise;
  std::array<int, 11> scores{};  // below 10, below 20, ..., all
  std::vector<Row> rows;         // in the order of the checks

  void add(const CheckReport& check);
};

std::string histogram_as_text(const std::vector<ClassHistogram>& all);
std::string histogram_as_drawing(const std::vector<ClassHistogram>& all);
