// prefork_checks.hpp — what prefork promises although its system calls fail.
#pragma once

#include <span>

#include "tests/kit/check.hpp"

// The kinds of faults that prefork itself can meet.
inline constexpr Faults prefork_faults =
    process_faults | only(Fault::short_read) | only(Fault::interrupted) | only(Fault::spurious) |
    only(Fault::no_kernel_memory) | only(Fault::no_memory) | only(Fault::delay);

std::span<const Check> prefork_checks();
