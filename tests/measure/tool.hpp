// tool.hpp — what the measuring programs have in common: where the servers are, how they end.
#pragma once

#include <functional>
#include <string>

// "build" for "build/demo": the programs lie beside each other.
std::string directory_of(const std::string& program);

// Runs a program and turns what it throws into a line on stderr. One that was interrupted ends by
// that signal, when its servers are stopped; for any other exception the status is 1.
int run_tool(const char* name, const std::function<int()>& run);
