#include "tests/kit/observe.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <sstream>
#include <string_view>
#include <thread>

#include "common/socket.hpp"
#include "tests/kit/proc.hpp"

using namespace two_ways;

namespace {

// User and system time, the process's own, and for `sums` of 4 that of the children it has
// collected, too (proc(5)).
std::optional<std::uint64_t> ticks_of(pid_t process, int sums) {
  const std::string stat = text_of(proc(process, "stat"));
  const std::size_t name_end = stat.rfind(')');  // the name before it may hold anything
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  constexpr int fields_before = 11;  // from the state to the last of the page faults
  std::string field;
  for (int i = 0; i < fields_before; ++i) fields >> field;
  std::uint64_t sum = 0;
  std::uint64_t ticks = 0;
  for (int i = 0; i < sums && fields >> ticks; ++i) sum += ticks;
  return sum;
}

std::uint64_t nanoseconds_of_ticks(std::uint64_t ticks) {
  return ticks * (1'000'000'000 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
}

std::uint64_t ticks_below(pid_t process) {
  std::uint64_t sum = 0;
  for (const pid_t child : children_of(process))
    sum += ticks_of(child, 4).value_or(0) + ticks_below(child);
  return sum;
}

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

struct CallName {
  long number;
  const char* name;
};

#ifdef __linux__
#define NAMED(call) \
  { SYS_##call, #call }
constexpr CallName call_names[] = {
#ifdef SYS_poll  // not in newer kernels' lists, such as that of aarch64
    NAMED(poll),
    NAMED(select),
    NAMED(epoll_wait),
#endif
#ifdef SYS_epoll_pwait2
    NAMED(epoll_pwait2),
#endif
#ifdef SYS_accept
    NAMED(accept),
#endif
    NAMED(ppoll),
    NAMED(pselect6),
    NAMED(epoll_pwait),
    NAMED(accept4),
    NAMED(read),
    NAMED(readv),
    NAMED(write),
    NAMED(writev),
    NAMED(recvfrom),
    NAMED(recvmsg),
    NAMED(sendto),
    NAMED(sendmsg),
    NAMED(connect),
    NAMED(futex),
    NAMED(nanosleep),
    NAMED(clock_nanosleep),
    NAMED(rt_sigtimedwait),
    NAMED(restart_syscall)};
#undef NAMED
#else
constexpr CallName call_names[] = {{-1000, ""}};
#endif

}  // namespace

std::size_t descriptor_limit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : static_cast<std::size_t>(limit.rlim_cur);
}

bool can_observe_processes() {
  static const bool can = !threads_of(getpid()).empty();
  return can;
}

std::vector<ThreadLook> threads_of(pid_t process) {
  std::vector<ThreadLook> threads;
  for (const std::string& name : entries_of(proc(process, "task"))) {
    const std::string task = proc(process, "task/" + name + "/");
    const std::string stat = text_of(task + "stat");
    const std::size_t name_end = stat.rfind(')');  // the name before it may hold anything
    if (name_end == std::string::npos || name_end + 2 >= stat.size()) continue;
    const std::string status = text_of(task + "status");
    ThreadLook look{};
    std::from_chars(name.data(), name.data() + name.size(), look.id);
    look.state = stat[name_end + 2];
    look.voluntary_switches = number_after(status, "\nvoluntary_ctxt_switches:").value_or(0);
    look.forced_switches = number_after(status, "\nnonvoluntary_ctxt_switches:").value_or(0);
    look.is_traced = number_after(status, "\nTracerPid:").value_or(0) != 0;
    const std::string times = text_of(task + "schedstat");
    look.cpu_nanoseconds = number_after(times, "").value_or(0);
    look.queued_nanoseconds = number_after(times, " ").value_or(0);
    threads.push_back(look);
  }
  return threads;
}

std::optional<std::string> call_of(pid_t process, int thread) {
  const std::string text = text_of(proc(process, "task/" + std::to_string(thread) + "/syscall"));
  if (text.empty()) return std::nullopt;
  long number = -1;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc()) return "";  // "running"
  for (const CallName& call : call_names)
    if (call.number == number) return call.name;
  return "system call " + std::to_string(number);
}

std::string describe_threads(pid_t process) {
  const std::vector<ThreadLook> threads = threads_of(process);
  if (threads.empty()) return "nothing can be seen of its threads";
  std::string text;
  std::size_t told = 0;
  for (const ThreadLook& thread : threads) {
    if (++told > 4) {
      text += ", ...";
      break;
    }
    if (!text.empty()) text += ", ";
    const std::string call = call_of(process, thread.id).value_or("");
    if (thread.state == 'R')
      text += "one runs";
    else if (thread.state == 'S' || thread.state == 'D')
      text += call.empty() ? "one sleeps" : "one sleeps in " + call;
    else
      text += std::string("one is in state ") + thread.state;
  }
  if (threads.size() == 1) return "its only thread" + text.substr(3);
  return "of its " + std::to_string(threads.size()) + " threads " + text;
}

std::optional<std::size_t> descriptors_of(pid_t process) {
  const std::size_t count = entries_of(proc(process, "fd")).size();
  if (count == 0) return std::nullopt;
  return count;
}

std::optional<Memory> memory_of(pid_t process) {
  const std::string rollup = text_of(proc(process, "smaps_rollup"));
  const auto virtual_size = number_after(text_of(proc(process, "status")), "\nVmSize:");
  const auto resident = number_after(rollup, "\nRss:");
  const auto anonymous = number_after(rollup, "\nAnonymous:");
  if (!virtual_size || !resident || !anonymous) return std::nullopt;
  return Memory{*virtual_size, *resident, *anonymous};
}

std::optional<std::uint64_t> cpu_nanoseconds_of(pid_t process) {
  const std::vector<ThreadLook> threads = threads_of(process);
  if (threads.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const ThreadLook& thread : threads) sum += thread.cpu_nanoseconds;
  return sum;
}

std::optional<std::uint64_t> read_cpu_with_ended_threads(pid_t process) {
  const auto ticks = ticks_of(process, 2);
  if (!ticks) return std::nullopt;
  return nanoseconds_of_ticks(*ticks);
}

bool is_traced(pid_t process) {
  const std::vector<ThreadLook> threads = threads_of(process);
  return std::all_of(threads.begin(), threads.end(),
                     [](const ThreadLook& thread) { return thread.is_traced; });
}

bool is_asleep(pid_t process) {
  const std::vector<ThreadLook> threads = threads_of(process);
  return std::all_of(threads.begin(), threads.end(),
                     [](const ThreadLook& thread) { return thread.state == 'S'; });
}

std::vector<pid_t> children_of(pid_t process) {
  std::vector<pid_t> children;
  for (const std::string& name : entries_of(proc(process, "task"))) {
    std::istringstream list(text_of(proc(process, "task/" + name + "/children")));
    for (pid_t child; list >> child;) children.push_back(child);
  }
  return children;
}

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

std::optional<std::uint64_t> cpu_nanoseconds_of_descendants() {
  if (children_of(getpid()).empty()) return std::nullopt;
  return nanoseconds_of_ticks(ticks_below(getpid()));
}

std::optional<Restlessness> watch(pid_t process) {
  const auto switches = [process] {
    std::uint64_t sum = 0;
    for (const ThreadLook& thread : threads_of(process)) sum += thread.voluntary_switches;
    return sum;
  };
  if (threads_of(process).empty()) return std::nullopt;
  Restlessness seen{};
  const auto begin = std::chrono::steady_clock::now();
  const std::uint64_t before = switches();
  for (seen.looks = 0; seen.looks < 40; ++seen.looks) {
    std::this_thread::sleep_for(std::chrono::milliseconds(12));
    const std::vector<ThreadLook> threads = threads_of(process);
    seen.runnable += std::any_of(threads.begin(), threads.end(),
                                 [](const ThreadLook& thread) { return thread.state == 'R'; });
  }
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  const std::uint64_t after = switches();
  seen.wakeups_per_second = static_cast<double>(after - std::min(before, after)) / passed.count();
  return seen;
}

std::string inheritable_descriptors_of(pid_t process) {
  std::string found;
  for (const std::string& name : entries_of(proc(process, "fd"))) {
    std::array<char, 64> target{};
    const std::string link = proc(process, "fd/" + name);
    if (readlink(link.c_str(), target.data(), target.size() - 1) < 0) continue;
    if (target.front() == '/' || std::stoi(name) <= 2) continue;  // a file, such as a sanitizer's
    const std::string info = text_of(proc(process, "fdinfo/" + name));
    const std::size_t flags = info.find("flags:");
    if (flags == std::string::npos) continue;
    constexpr unsigned long close_on_exec = 02000000;  // O_CLOEXEC, as the file shows it
    if ((std::stoul(info.substr(flags + 6), nullptr, 8) & close_on_exec) == 0)
      found += (found.empty() ? "" : " ") + name;
  }
  return found;
}

std::vector<std::uint32_t> epoll_masks_of(pid_t process) {
  std::vector<std::uint32_t> masks;
  for (const std::string& name : entries_of(proc(process, "fdinfo"))) {
    const std::string text = text_of(proc(process, "fdinfo/" + name));
    constexpr std::string_view label = "events:";
    for (std::size_t at = text.find(label); at != std::string::npos;
         at = text.find(label, at + label.size())) {
      std::size_t from = at + label.size();
      while (from < text.size() && text[from] == ' ') ++from;
      std::uint32_t mask = 0;
      std::from_chars(text.data() + from, text.data() + text.size(), mask, 16);
      masks.push_back(mask);
    }
  }
  return masks;
}

#ifdef __linux__

std::optional<std::size_t> descriptor_limit_of(pid_t process) {
  rlimit limit{};
  if (prlimit(process, RLIMIT_NOFILE, nullptr, &limit) < 0) return std::nullopt;
  return static_cast<std::size_t>(limit.rlim_cur);
}

bool limit_descriptors_of(pid_t process, std::size_t most) {
  rlimit limit{};
  if (prlimit(process, RLIMIT_NOFILE, nullptr, &limit) < 0) return false;
  limit.rlim_cur = std::min<rlim_t>(most, limit.rlim_max);
  return prlimit(process, RLIMIT_NOFILE, &limit, nullptr) == 0;
}

bool can_observe_epoll() {
  static const bool can = [] {
    const Descriptor queue(epoll_create1(EPOLL_CLOEXEC));
    const Descriptor watched(epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN;
    return queue && watched && epoll_ctl(queue.fd(), EPOLL_CTL_ADD, watched.fd(), &event) == 0 &&
           !epoll_masks_of(getpid()).empty();
  }();
  return can;
}

#else

std::optional<std::size_t> descriptor_limit_of(pid_t) {
  return std::nullopt;
}
bool limit_descriptors_of(pid_t, std::size_t) {
  return false;
}
bool can_observe_epoll() {
  return false;
}

#endif
