// wait.hpp — what a conversation waits for, as a value.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

enum class Until : std::uint8_t { readable, writable };

// "Wake me when this descriptor is readable", or writable.
struct Wait {
  int fd = -1;
  Until until = Until::readable;
  bool operator==(const Wait&) const = default;
};

// Time that only goes forward, whatever is done to the clock on the wall.
using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

// The earlier of two moments, either of which may be never.
std::optional<Time> earlier(std::optional<Time> a, std::optional<Time> b);

// After select(2) or one of its kin has failed: returns if that was a signal, and after a short
// pause if the kernel had no memory for the call (ENOMEM; POSIX: EAGAIN), for asking on at once
// would be a spin. Otherwise throws CallFailed, for the descriptor if one is given.
void excuse_failed_wait(std::string_view call, int error, int descriptor = -1);

// The same for poll(2), which besides refuses a list that is longer than RLIMIT_NOFILE (EINVAL),
// and anybody may lower that while we run (prlimit(1)). Then, after a short pause, all entries are
// marked as ready: a descriptor that does not block says itself whether it is. Returns how many to
// look at.
int excuse_failed_poll(std::span<pollfd> watched, int error);

// The timeout for poll(2) and its kin: milliseconds from `now` until `moment`, rounded up so that
// it is not early; -1, which means without limit, for never.
int milliseconds_until(std::optional<Time> moment, Time now);
