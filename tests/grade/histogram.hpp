// histogram.hpp — how a class has done in one exercise.
#pragma once

#include <string>
#include <vector>

#include "tests/grade/report.hpp"

// How many have how many points, and how many failed which check or did not get to it: two bars of
// signs, ready to print. All reports are of the same exercise, and there is one at least.
std::string histogram_of(const std::vector<Report>& reports);
