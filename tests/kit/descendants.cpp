#include "tests/kit/descendants.hpp"

#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "tests/kit/observe.hpp"
#include "tests/kit/proc.hpp"

namespace {

void add_descendants(pid_t process, const std::vector<pid_t>& spared, std::vector<pid_t>& found) {
  constexpr std::size_t most = 10'000;
  for (const pid_t child : children_of(process)) {
    const bool is_known = std::find(found.begin(), found.end(), child) != found.end();
    const bool is_spared = std::find(spared.begin(), spared.end(), child) != spared.end();
    if (is_known || is_spared || found.size() > most) continue;
    found.push_back(child);
    add_descendants(child, spared, found);
  }
}

}  // namespace

bool tells_of_descendants() {
  const std::string own = std::to_string(getpid());
  return access(("/proc/" + own + "/task/" + own + "/children").c_str(), R_OK) == 0;
}

std::vector<pid_t> descendants_of(pid_t process) {
  std::vector<pid_t> found;
  add_descendants(process, {}, found);
  return found;
}

void adopt_orphans() {
#ifdef __linux__
  prctl(PR_SET_CHILD_SUBREAPER, 1);
#endif
}

void kill_descendants(const std::vector<pid_t>& spared) {
  // Stopped first, so that nobody forks while the others are being killed.
  for (int round = 0; round < 400; ++round) {
    std::vector<pid_t> found;
    add_descendants(getpid(), spared, found);
    if (found.empty()) return;
    for (const pid_t process : found) kill(process, SIGSTOP);
    for (const pid_t process : found) kill(process, SIGKILL);
    for (const pid_t process : found) waitpid(process, nullptr, WNOHANG);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

std::size_t resident_kib_of(pid_t process) {
  return number_after(text_of(proc(process, "status")), "\nVmRSS:").value_or(0);
}
