// wait.hpp — what a conversation waits for, as a value.
#pragma once

#include <poll.h>

#include <cassert>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace two_ways {

enum class Interest : std::uint8_t { none, readable, writable };

// "Wake me when this descriptor is readable", or writable.
struct Wait {
  int fd = -1;
  Interest interest = Interest::none;
  bool operator==(const Wait&) const = default;
};

enum class Progress : std::uint8_t {
  none,      // nothing was ready after all, or the client is gone
  some,      // bytes, but such as a client may trickle for ever: its time runs on
  new_time,  // the first byte of a request, a whole one, or bytes of a response that have left: the
             // client's time starts anew
};

// What a loop is told when it has let a conversation go on.
struct Turn {
  std::optional<Wait> wait =
      {};  // what it waits for now, never Interest::none; nothing: it is over
  Progress progress = Progress::none;
  bool closed = false;  // the backend's socket, which it waited for, was closed in this turn: the
                        // kernel has forgotten its registration
};

// Notices a loop that spins, because some conversation waits for what is ready and then does
// nothing about it. A turn that brings nothing is no fault as such: with many clients each may have
// one. So it takes a million of them in a row.
class SpinCheck {
 public:
  void after(const Turn& turn) {
    if (turn.progress != Progress::none || !turn.wait) {
      idle_turns_ = 0;
    } else {
      ++idle_turns_;
      assert(idle_turns_ < 1'000'000);
    }
  }

 private:
  int idle_turns_ = 0;  // in a row
};

// Time that only goes forward, whatever is done to the clock on the wall.
using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

// The earlier of two moments, either of which may be never.
std::optional<Time> earlier(std::optional<Time> a, std::optional<Time> b);

// After select(2) or one of its kin has failed. A signal (EINTR): returns. No memory in the kernel
// (ENOMEM; POSIX: EAGAIN): returns after a short pause, for to ask on at once would be a spin.
// Anything else: throws CallFailed, for the descriptor if one is given.
void excuse_failed_wait(std::string_view call, int error, int descriptor = -1);

// The same for poll(2), which besides refuses a list that is longer than RLIMIT_NOFILE (EINVAL),
// and anybody may lower that while we run (prlimit(1)). Then, after a short pause, all entries are
// marked as ready: a descriptor that does not block says itself whether it is. Returns how many to
// look at.
int excuse_failed_poll(std::span<pollfd> watched, int error);

// The timeout for poll(2) and its kin: milliseconds from `now` until `moment`, rounded up so that
// it is not early; 0 if it has passed; -1, which means without limit, for never.
int milliseconds_until(std::optional<Time> moment, Time now);

}  // namespace two_ways
