// catalogue.hpp — every black-box check of a server.
#pragma once

#include <vector>

#include "tests/kit/check.hpp"

std::vector<Check> all_checks();

// The tables, one for each file of checks.
extern const std::vector<Check> starting_checks, reading_checks, refusing_checks, writing_checks,
    leaving_checks, limit_checks, stopping_checks, waiting_checks, backend_checks;
