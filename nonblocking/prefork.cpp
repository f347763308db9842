// prefork — more than one core: opens the listener once and runs a server on it in N workers.
//
//   build/prefork -w 2 -p 8080 build/event_loop -t 30
//
// Each worker is a process that inherits the listener as its descriptor 3, and knows nothing of the
// others. The kernel gives each new client to whichever worker accepts first; the workers share no
// memory and no lock. A worker that ends is replaced, after a pause that grows while workers keep
// ending early: a program that cannot run must not become a loop of forks.
//
// SIGTERM, SIGINT  the workers finish their responses and end, then so does this. One that was
//                  stopped (SIGSTOP) is let go on for it. The second one ends them at once, by
//                  SIGKILL, which nobody can put off. Exit status: 0, or 1 if a worker failed or
//                  was killed.
// SIGUSR1          is passed on: each worker prints its counters.
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
#include "nonblocking/worker.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "Opens the listener once and runs workers of a server on it.";

constexpr int handled_signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGCHLD};

volatile std::sig_atomic_t stop_signal = 0;
volatile std::sig_atomic_t look_signal = 0;

void note_signal(int signal) {
  if (signal == SIGUSR1) look_signal = signal;
  if (signal == SIGTERM || signal == SIGINT) stop_signal = signal;
  // SIGCHLD has done its work by ending the wait.
}

// From now on they come during pselect only. Returns the mask for it, and for the workers: the one
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
      : listener_(open_listener(options)), workers_(options.workers) {
    ignore_write_signals();
    launch_ = {options.command, listener_.fd(), block_signals()};
  }
  // Leaves no worker behind, whatever has gone wrong here.
  ~Supervisor() { stop(SIGTERM); }
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // The exit status.
  int run() {
    while (!stopping_ || is_any_running()) {
      for (Worker& worker : workers_)
        if (!stopping_ && worker.is_due()) worker.start(launch_);
      wait();
      pass_signals_on();
      for (Worker& worker : workers_) {
        worker.read_output();
        if (const auto status = worker.take_end()) on_end(worker, *status);
      }
      if (!all_were_ready_ && !stopping_) announce_if_ready();
    }
    return status_;
  }

 private:
  // Until a worker prints something, a signal comes (the end of a worker is one), or one is
  // missing.
  void wait() {
    std::optional<Time> next;
    for (const Worker& worker : workers_)
      if (!worker.is_running() && !stopping_) next = earlier(next, worker.next_start());
    const int pause = milliseconds_until(next, Clock::now());
    const timespec timeout{pause / 1000, pause % 1000 * 1'000'000};
    fd_set readable;
    FD_ZERO(&readable);
    int highest = -1;
    for (const Worker& worker : workers_) {
      if (worker.output() >= 0) FD_SET(worker.output(), &readable);
      highest = std::max(highest, worker.output());
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
    for (const Worker& worker : workers_) worker.tell(signal);
  }

  void announce_if_ready() {
    all_were_ready_ = std::all_of(workers_.begin(), workers_.end(),
                                  [](const Worker& worker) { return worker.is_ready(); });
    if (all_were_ready_) announce(listener_.fd());
  }

  // Nothing here asks for memory: when there is none, workers end, and this must not.
  void on_end(const Worker& worker, int status) {
    const auto [words, number] = describe_end(status);
    std::array<char, 128> line;
    if (stopping_) {
      if (!is_proper_end(status) && status_ == 0) status_ = 1;
    } else if (all_were_ready_) {
      std::snprintf(line.data(), line.size(),
                    "prefork: a worker %s %d; another one starts in %.1f s\n", words, number,
                    std::chrono::duration<double>(worker.pause()).count());
      complain(line.data());
    } else {
      // What does not even start will not do so the next time. Its status becomes ours.
      std::snprintf(line.data(), line.size(), "prefork: a worker %s %d before all were ready\n",
                    words, number);
      complain(line.data());
      status_ = WIFEXITED(status) ? std::max(1, WEXITSTATUS(status)) : 1;
      stop(SIGTERM);
    }
  }

  bool is_any_running() const {
    return std::any_of(workers_.begin(), workers_.end(),
                       [](const Worker& worker) { return worker.is_running(); });
  }

  Descriptor listener_;
  Launch launch_{};
  std::vector<Worker> workers_;
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
