// comparison.hpp — our servers against their floors, and what each must reach.
//
// Gives: the experiments behind "how fast", each one function; findings with the target beside.
// Do:    run few at a time: ten servers at once are more than two cores like.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

// One measured number and what it is to reach.
struct Finding {
  std::string what;      // "event_loop / floor_epoll"
  std::string measured;  // "0.983"
  std::string detail;    // "198,000 per second; CPU time 1.04"
  std::string target;    // "at least 0.97"; empty: for information
  bool reached = true;
};

struct Findings {
  std::vector<Finding> all;
  std::vector<std::string> notes;     // what could not be measured, and why; who was the limit
  std::vector<std::string> failures;  // servers that failed their work
};

struct Experiment {
  std::string name;
  std::string title;
  std::function<Findings(const std::string& directory)> run;
};

const std::vector<Experiment>& experiments();
