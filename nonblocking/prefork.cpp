// prefork — more than one core: opens the listener once and runs N copies of a server on it.
//
//   build/prefork -w 2 -p 8080 build/event_loop -t 30
//
// Each copy is a process that inherits the listener as its descriptor 3, and knows nothing of the
// others. The kernel gives each new client to whichever copy accepts first; the copies share no
// memory and no lock. A copy that ends is replaced, after a pause that grows while copies keep
// ending early: a program that cannot run must not become a loop of forks.
//
// SIGTERM, SIGINT  the copies finish their answers and end, then so does this. One that was stopped
//                  (SIGSTOP) is let go on for it. The second one ends them at once, by SIGKILL,
//                  which nobody can put off. Exit status: 0, or 1 if a copy failed or was killed.
// SIGUSR1          is passed on: each copy prints its counters.
//
// The servers hear of a signal through a pipe (common/signals.hpp). Here is the other way to leave
// no gap between looking and waiting: signals are blocked, but for the time of the one wait.
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <vector>

#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "nonblocking/copy.hpp"

namespace {

constexpr const char* purpose = "Opens the listener once and runs copies of a server on it.";

constexpr int handled_signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGCHLD};

volatile std::sig_atomic_t stop_signal = 0;
volatile std::sig_atomic_t look_signal = 0;

void note_signal(int signal) {
  if (signal == SIGUSR1) look_signal = signal;
  if (signal == SIGTERM || signal == SIGINT) stop_signal = signal;
  // SIGCHLD has done its work by ending the wait.
}

// From now on they come during pselect only. Returns the mask for it, and for the copies: the one
// that was there before, but if somebody had blocked these signals, here is where they get through.
sigset_t block_signals() {
  sigset_t before;
  sigset_t handled;
  sigemptyset(&handled);
  struct sigaction action {};
  action.sa_handler = note_signal;
  for (const int signal : handled_signals) {
    sigaddset(&handled, signal);
    if (sigaction(signal, &action, nullptr) < 0) throw CallFailed("sigaction", errno);
  }
  if (sigprocmask(SIG_BLOCK, &handled, &before) < 0) throw CallFailed("sigprocmask", errno);
  for (const int signal : handled_signals) sigdelset(&before, signal);
  return before;
}

class Supervisor {
 public:
  explicit Supervisor(const Options& options)
      : listener_(open_listener(options)), copies_(options.copies) {
    ignore_write_signals();
    launch_ = {options.command, listener_.fd(), block_signals()};
  }
  // Leaves no copy behind, whatever has gone wrong here.
  ~Supervisor() { stop(SIGTERM); }
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // The exit status.
  int run() {
    while (!stopping_ || is_any_running()) {
      for (Copy& copy : copies_)
        if (!stopping_ && copy.is_due()) copy.start(launch_);
      wait();
      pass_signals_on();
      for (Copy& copy : copies_) {
        copy.read_output();
        if (const auto status = copy.take_end()) on_end(copy, *status);
      }
      if (!all_were_ready_ && !stopping_) announce_if_ready();
    }
    return status_;
  }

 private:
  // Until a copy prints something, a signal comes (the end of a copy is one), or one is missing.
  void wait() {
    std::optional<Time> next;
    for (const Copy& copy : copies_)
      if (!copy.is_running() && !stopping_) next = earlier(next, copy.next_start());
    const int pause = milliseconds_until(next, Clock::now());
    const timespec timeout{pause / 1000, pause % 1000 * 1'000'000};
    fd_set readable;
    FD_ZERO(&readable);
    int highest = -1;
    for (const Copy& copy : copies_) {
      if (copy.output() >= 0) FD_SET(copy.output(), &readable);
      highest = std::max(highest, copy.output());
    }
    const int ready = pselect(highest + 1, &readable, nullptr, nullptr, next ? &timeout : nullptr,
                              &launch_.signals);
    if (ready < 0) excuse_failed_wait("pselect", errno);
  }

  void pass_signals_on() {
    if (look_signal != 0) tell_all(static_cast<int>(look_signal));
    look_signal = 0;
    if (stop_signal == 0) return;
    if (stopping_) {
      status_ = 1;
      tell_all(SIGKILL);
    }
    stop(static_cast<int>(stop_signal));
    stop_signal = 0;
  }

  void stop(int signal) {
    stopping_ = true;
    listener_ = Descriptor();  // the backlog lasts as long as somebody can accept from it
    tell_all(signal);
    tell_all(SIGCONT);
  }

  void tell_all(int signal) const {
    for (const Copy& copy : copies_) copy.tell(signal);
  }

  void announce_if_ready() {
    all_were_ready_ = std::all_of(copies_.begin(), copies_.end(),
                                  [](const Copy& copy) { return copy.is_ready(); });
    if (all_were_ready_) announce(listener_.fd());
  }

  // Nothing here asks for memory: when there is none, copies end, and this must not.
  void on_end(const Copy& copy, int status) {
    const auto [words, number] = describe_end(status);
    std::array<char, 128> line;
    if (stopping_) {
      if (!is_proper_end(status) && status_ == 0) status_ = 1;
    } else if (all_were_ready_) {
      std::snprintf(line.data(), line.size(),
                    "prefork: a copy %s %d; another one starts in %.1f s\n", words, number,
                    std::chrono::duration<double>(copy.pause()).count());
      complain(line.data());
    } else {
      // What does not even start will not do so the next time. Its status becomes ours.
      std::snprintf(line.data(), line.size(), "prefork: a copy %s %d before all were ready\n",
                    words, number);
      complain(line.data());
      status_ = WIFEXITED(status) ? std::max(1, WEXITSTATUS(status)) : 1;
      stop(SIGTERM);
    }
  }

  bool is_any_running() const {
    return std::any_of(copies_.begin(), copies_.end(),
                       [](const Copy& copy) { return copy.is_running(); });
  }

  Descriptor listener_;
  Launch launch_{};
  std::vector<Copy> copies_;
  bool all_were_ready_ = false;
  bool stopping_ = false;
  int status_ = 0;
};

int exit_status = 0;

void supervise(int argc, char** argv) {
  exit_status = Supervisor(read_options(argc, argv, "+waph", purpose)).run();
}

}  // namespace

int main(int argc, char** argv) {
  const int failure = run_program(argc, argv, supervise);
  return failure != 0 ? failure : exit_status;
}
