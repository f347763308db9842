// demo.hpp — the same work put on each server in turn, and what is said about it.
//
// Gives: what one server did with it: clients held idle, active ones on / and on /row, one /spin.
//        And one table, how to read it, what it shows, and what the numbers leave out, in lines
//        that fit a terminal; from a run that other programs have disturbed it concludes nothing.
// Do:    look at failure first: a server that failed its work has no numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/kit/servers.hpp"
#include "tests/measure/limits.hpp"

struct DemoPlan {
  std::string directory;  // of the programs
  std::uint16_t backend_port = 0;
  std::size_t idle = 0;
  std::size_t active = 64;
  double rate = 1000;  // requests per second while latency is measured
  unsigned spin_milliseconds = 200;
};

struct ServerReport {
  std::string name;
  std::string failure;
  std::size_t idle = 0;
  std::size_t active_served = 0;  // of plan.active
  std::optional<std::uint64_t> threads;
  std::optional<double> reserved;       // bytes per idle client
  std::optional<double> resident;       // the same
  std::optional<double> page_tables;    // the same, kernel memory
  std::optional<double> kernel_stacks;  // the same
  std::optional<double> switches;       // per request
  double per_second = 0;
  double own_cpu = 0;  // the generator's, of one CPU
  double p50 = 0;      // nanoseconds
  double p99 = 0;
  std::optional<double> row_waiting;  // share of the time that a /row takes
  double row_milliseconds = 0;
  std::optional<double> others;    // what other programs used of this machine meanwhile, as a share
  std::optional<double> spin_p99;  // of everybody else; empty: nobody else was served
};

// `say` is told what is being done, for a progress line. Throws AskedToStop.
ServerReport try_server(const Program& program, const DemoPlan& plan,
                        const std::function<void(const std::string&)>& say);

struct DemoFindings {
  std::vector<ServerReport> outcomes;
  DemoPlan plan;
  unsigned backend_delay = 0;   // milliseconds
  std::size_t wished_idle = 0;  // clients
  Allowance allowance;          // of them
  std::size_t descriptors = 0;  // that a process may have
};

std::string demo_report(const DemoFindings& findings);
