// catalogue.hpp — every black-box check of a server.
#pragma once

#include <span>
#include <vector>

#include "tests/kit/check.hpp"

std::vector<Check> all_checks();

// The tables, one for each file of checks.
std::span<const Check> starting_checks();
std::span<const Check> reading_checks();
std::span<const Check> refusing_checks();
std::span<const Check> writing_checks();
std::span<const Check> leaving_checks();
std::span<const Check> limit_checks();
std::span<const Check> stopping_checks();
std::span<const Check> waiting_checks();
std::span<const Check> backend_checks();
