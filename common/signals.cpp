#include "common/signals.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string_view>

#include "common/error.hpp"
#include "common/socket.hpp"

// Handlers may call only what signal-safety(7) lists, and touch only lock-free atomics. Here:
// poll, write, shutdown, sigaction, raise, pthread_sigmask, _exit. They may interrupt each other.
namespace two_ways {

namespace {

static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
              std::atomic<void*>::is_always_lock_free && Counters::Count::is_always_lock_free);

// A line of text built without the C library.
class Line {
 public:
  void add(std::string_view words) {
    for (const char c : words) text_[size_++] = c;
  }

  void add(std::uint64_t number) {
    char digits[20];
    int count = 0;
    do digits[count++] = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    while (count > 0) text_[size_++] = digits[--count];
  }

  std::string_view text() const { return {text_, size_}; }

 private:
  char text_[192];  // five numbers of twenty digits, and the words
  std::size_t size_ = 0;
};

[[noreturn]] void end_at_once(int signal) {
  struct sigaction default_action {};
  default_action.sa_handler = SIG_DFL;
  sigaction(signal, &default_action, nullptr);
  raise(signal);  // waits, because a handler's own signal is blocked
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, signal);
  pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  // Only process 1 of a container comes here: the kernel spares it the default action. The status
  // is what a shell makes of the signal.
  _exit(128 + signal);
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  if (sigaction(signal, &action, nullptr) < 0) throw CallFailed("sigaction", errno);
}

}  // namespace

void Signals::print_counters(int) {
  const Signals* const signals = installed_;
  if (signals == nullptr) return;
  const int error = errno;
  const Counters& counters = signals->counters_;
  const std::uint64_t closed = counters.closed;  // read first: never more closed than accepted
  const std::uint64_t accepted = counters.accepted;
  Line line;
  line.add("accepted ");
  line.add(accepted);
  line.add(" open ");
  line.add(accepted - closed);
  line.add(" requests ");
  line.add(counters.requests);
  line.add(" wakeups ");
  line.add(counters.wakeups);
  line.add(" waits ");
  line.add(counters.waits);
  line.add("\n");
  complain(line.text());
  errno = error;
}

void Signals::ask_for_stop(int signal) {
  Signals* const signals = installed_;
  if (signals == nullptr) return;
  const int error = errno;
  if (signals->stopping_.exchange(true)) {
    end_at_once(signal);
  } else {
    [[maybe_unused]] const ssize_t written = write(signals->stop_writer_.fd(), "", 1);
    if (const int socket = signals->stream_to_end_; socket >= 0) shutdown(socket, SHUT_RD);
  }
  errno = error;
}

Signals::Signals(const Counters& counters) : counters_(counters) {
  int ends[2];
  open_pipe(ends);
  stop_reader_ = Descriptor(ends[0]);
  stop_writer_ = Descriptor(ends[1]);
  installed_ = this;
  handle(SIGTERM, ask_for_stop);
  handle(SIGINT, ask_for_stop);
  handle(SIGUSR1, print_counters);
  ignore_write_signals();
  // Whoever has started us may have had them blocked, and that is inherited.
  sigset_t handled;
  sigemptyset(&handled);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&handled, signal);
  if (sigprocmask(SIG_UNBLOCK, &handled, nullptr) < 0) throw CallFailed("sigprocmask", errno);
}

Signals::~Signals() {
  installed_ = nullptr;
}

void ignore_write_signals() {
  handle(SIGPIPE, SIG_IGN);
  handle(SIGXFSZ, SIG_IGN);
}

void Signals::end_stream_on_stop(int socket) {
  stream_to_end_ = socket;
  // The signal may have come between accept and here.
  if (socket >= 0 && stopping_) shutdown(socket, SHUT_RD);
}

}  // namespace two_ways
