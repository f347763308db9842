// demo_report.hpp — what the demo says about the servers it has tried.
//
// Gives: one table, how to read it, what it shows, and what the numbers leave out, in lines that
//        fit a terminal. From a run that other programs have disturbed it concludes nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/measure/limits.hpp"
#include "tests/measure/server_report.hpp"

struct DemoFindings {
  std::vector<ServerReport> outcomes;
  DemoPlan plan;
  unsigned backend_delay = 0;   // milliseconds
  std::size_t wished_idle = 0;  // clients
  Allowance allowance;          // of them
  std::size_t descriptors = 0;  // that a process may have
};

std::string demo_report(const DemoFindings& findings);
