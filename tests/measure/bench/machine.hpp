// machine.hpp — on what machine these numbers were found, and how much others did on it.
#pragma once

#include <string>

#include "tests/kit/reading.hpp"

// Lines that begin with "# ": machine, kernel, compiler, date, limits.
std::string machine_header();

// Throws std::runtime_error if other programs have had more than a twentieth of the machine since
// the reading was begun: a number that is kept is measured alone.
void refuse_company(const OthersReading& reading);

// Looks at the machine for two seconds, and refuses.
void refuse_company();
