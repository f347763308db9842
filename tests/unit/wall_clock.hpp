// wall_clock.hpp — a clock on the wall that a test can set.
//
// time(2), called anywhere in this program, says what the test says. (A function of the same name
// in the program stands in front of the C library's.)
#pragma once

#include <ctime>

// While one is alive, it is what time says.
class WallClock {
 public:
  explicit WallClock(std::time_t moment) { set(moment); }
  ~WallClock() { set(real_time); }
  WallClock(const WallClock&) = delete;
  WallClock& operator=(const WallClock&) = delete;

  void set(std::time_t moment);

 private:
  static constexpr std::time_t real_time = -1;
};
