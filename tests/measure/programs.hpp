// programs.hpp — where the programs under test are: beside the directory of the test program.
#pragma once

#include <string>

std::string program(const std::string& name);  // "build/event_loop"
