#include "common/wait.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <thread>

#include "common/error.hpp"

namespace two_ways {

std::optional<Time> earlier(std::optional<Time> a, std::optional<Time> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

void excuse_failed_wait(std::string_view call, int error, int descriptor) {
  if (error == EINTR) return;
  if (error != ENOMEM && error != EAGAIN) throw CallFailed(call, error, descriptor);
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

int excuse_failed_poll(std::span<pollfd> watched, int error) {
  if (error != EINVAL) {
    excuse_failed_wait("poll", error);
    return 0;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  for (pollfd& entry : watched) entry.revents = entry.fd >= 0 ? entry.events : short{0};
  return static_cast<int>(watched.size());
}

int milliseconds_until(std::optional<Time> moment, Time now) {
  if (!moment) return -1;
  if (*moment <= now) return 0;
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(*moment - now).count();
  constexpr int most = std::numeric_limits<int>::max();
  return count < most ? static_cast<int>(count) : most;
}

}  // namespace two_ways
