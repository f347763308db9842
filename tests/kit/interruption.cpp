#include "tests/kit/interruption.hpp"

#include <csignal>
#include <cstdlib>

#include "tests/kit/observe.hpp"

namespace {

constexpr int signals[] = {SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t noted = 0;

void note(int signal) {
  noted = signal;
}

}  // namespace

void note_interruptions() {
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // glibc has it unsigned
  sigemptyset(&action.sa_mask);
  for (const int signal : signals) {
    struct sigaction before {};
    if (sigaction(signal, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
      (void)sigaction(signal, &action, nullptr);
  }
}

void forget_interruptions() {
  noted = 0;
  for (const int signal : signals) {
    struct sigaction before {};
    if (sigaction(signal, nullptr, &before) == 0 && before.sa_handler == note)
      (void)std::signal(signal, SIG_DFL);
  }
}

void throw_if_interrupted() {
  if (noted == 0) return;
  kill_descendants({});
  throw AskedToStop{static_cast<int>(noted)};
}

void end_by(const AskedToStop& interruption) {
  (void)std::signal(interruption.signal, SIG_DFL);
  (void)std::raise(interruption.signal);
  std::abort();  // it is not blocked, so nobody comes here
}
