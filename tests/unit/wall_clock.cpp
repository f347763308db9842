#include "tests/unit/wall_clock.hpp"

#include <time.h>

namespace {

thread_local std::time_t set_time = -1;

}  // namespace

void WallClock::set(std::time_t moment) {
  set_time = moment;
}

extern "C" time_t time(time_t* result) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const time_t moment = set_time != -1 ? set_time : now.tv_sec;
  if (result != nullptr) *result = moment;
  return moment;
}
