// machine.hpp — on what machine these numbers were found.
#pragma once

#include <string>

// Lines that begin with "# ": machine, kernel, compiler, date, limits.
std::string machine_header();
