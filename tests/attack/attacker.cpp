#include "tests/attack/attacker.hpp"

#include <algorithm>
#include <chrono>

using namespace two_ways;

using Clock = std::chrono::steady_clock;

Forked attacker(const Attack& attack, const Target& target) {
  return Forked([&] {
    attack.run(target);
    return 0;
  });
}

Possessions possessions_of(Context& context) {
  const pid_t pid = context.server().pid();
  const auto memory = memory_of(pid);
  return {descriptors_of(pid).value_or(0), threads_of(pid).size(),
          memory ? memory->resident_kib : 0};
}

Standing aftermath(Context& context, const Possessions& before) {
  if (!can_observe_processes()) return {};
  constexpr std::size_t tolerated_kib = 16 * 1024;  // what a memory allocator keeps for itself
  constexpr std::chrono::seconds most{8};           // without any change: it may be busy letting go
  const auto begin = Clock::now();
  Possessions after;
  for (auto deadline = begin + most; Clock::now() < std::min(deadline, begin + 4 * most);) {
    const std::size_t last = after.descriptors + after.threads;
    context.wait_until_quiet();
    after = possessions_of(context);
    if (after.descriptors + after.threads != last) deadline = Clock::now() + most;
    const bool back = after.descriptors <= before.descriptors && after.threads <= before.threads &&
                      after.resident_kib <= before.resident_kib + tolerated_kib;
    if (back) {
      const auto seen = watch(context.server().pid());
      if (seen && seen->runnable * 2 > seen->looks) return {"spins", context.describe_server()};
      return {};
    }
  }
  return {"leaked", "descriptors " + std::to_string(before.descriptors) + " -> " +
                        std::to_string(after.descriptors) + ", threads " +
                        std::to_string(before.threads) + " -> " + std::to_string(after.threads) +
                        ", resident KiB " + std::to_string(before.resident_kib) + " -> " +
                        std::to_string(after.resident_kib)};
}
