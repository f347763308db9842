#include "tests/measure/server_at_work.hpp"

#include <chrono>
#include <optional>
#include <thread>

#include "common/error.hpp"

std::string failure_of(const std::function<void()>& work) {
  std::string reason;
  try {
    work();
    return "";
  } catch (const WorkFailed& failure) {
    reason = failure.reason;
  } catch (const StartFailed& failure) {
    reason = failure.what();
  } catch (const CallFailed& failure) {
    reason = std::string("in this generator: ") + failure.what();
  }
  stop_if_interrupted();  // which may be all that has gone wrong
  return reason;
}

void ServerAtWork::check(const ClientGroup& group, const std::string& work) {
  stop_if_interrupted();
  if (!group.failed()) return;
  const auto end = process.has_ended();
  const std::string words = process.last_words();
  throw WorkFailed{work + ": " + group.failure() + (end ? "; the server " + *end : "") +
                   (words.empty() ? "" : "; it said: " + words)};
}

LoadResult ServerAtWork::rate_beside(LoadLoop& loop, const std::string& target, double rate,
                                     Nanoseconds time) {
  ClientGroup heavy(loop, port);
  heavy.connect(1);
  heavy.ask(target);
  heavy.start_requests(1);
  const LoadResult result = clients.constant_rate(rate, time);
  const LoadResult computed = heavy.finish_requests();
  check(heavy, target);
  check("/ beside " + target);
  if (computed.responses != 1) throw WorkFailed{target + " was not answered"};
  return result;
}

void ServerAtWork::hold(std::size_t count) {
  if (count > clients.clients()) clients.connect(count - clients.clients());
  check("connecting");
}

void ServerAtWork::stop() {
  clients.leave();
  if (!process.stop()) throw WorkFailed{"did not end cleanly at SIGTERM"};
}

void ServerAtWork::wait_until_quiet() const {
  constexpr std::uint64_t quiet = 300'000;  // nanoseconds of CPU in 20 ms
  auto before = activity().cpu_nanoseconds;
  for (int i = 0; i < 50 && before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto now = activity().cpu_nanoseconds;
    // Less than before: threads have ended, and have taken their time with them.
    if (!now || (*now >= *before && *now - *before < quiet)) return;
    before = now;
  }
}
