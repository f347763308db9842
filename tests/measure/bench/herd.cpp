#include "tests/measure/bench/herd.hpp"

#ifdef __linux__

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>

#include "common/error.hpp"
#include "common/socket.hpp"

namespace {

struct Tally {
  std::size_t wakeups = 0;
  std::size_t accepted = 0;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// listen_on() of our servers does not share its port, and should not.
Descriptor sharing_listener(std::uint16_t port) {
  Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener) throw CallFailed("socket", errno);
  const int on = 1;
  if (setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
    throw CallFailed("setsockopt(SO_REUSEPORT)", errno, listener.fd());
  const sockaddr_in address = loopback(port);
  if (bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw CallFailed("bind", errno, listener.fd());
  if (listen(listener.fd(), 128) < 0) throw CallFailed("listen", errno, listener.fd());
  return listener;
}

std::uint16_t port_of(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) < 0)
    throw CallFailed("getsockname", errno, listener);
  return ntohs(address.sin_port);
}

// How often this process has gone to sleep of its own accord.
long times_asleep() {
  rusage used{};
  return getrusage(RUSAGE_SELF, &used) == 0 ? used.ru_nvcsw : 0;
}

// One process: sleeps, wakes up, accepts whom it finds and lets him go. Ends when `stop` does.
[[noreturn]] void sleep_and_accept(int listener, bool exclusive, int stop, int report) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int queue = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN | (exclusive ? EPOLLEXCLUSIVE : 0u);
  event.data.fd = listener;
  if (epoll_ctl(queue, EPOLL_CTL_ADD, listener, &event) < 0) _exit(1);
  event.events = EPOLLIN;
  event.data.fd = stop;
  if (epoll_ctl(queue, EPOLL_CTL_ADD, stop, &event) < 0) _exit(1);
  Tally tally;
  const long before = times_asleep();
  for (;;) {
    epoll_event ready[2];
    const int count = epoll_wait(queue, ready, 2, -1);
    for (int i = 0; i < count; ++i) {
      if (ready[i].data.fd == stop) {
        // The last time was for the stop.
        tally.wakeups = static_cast<std::size_t>(std::max(0L, times_asleep() - before - 1));
        const ssize_t written = write(report, &tally, sizeof tally);
        _exit(written == static_cast<ssize_t>(sizeof tally) ? 0 : 1);
      }
      const int client = accept(listener, nullptr, nullptr);
      if (client < 0) continue;
      ++tally.accepted;
      close(client);
    }
  }
}

class Herd {
 public:
  Herd(Sharing sharing, std::size_t count) {
    int stop[2];
    int report[2];
    if (pipe(stop) < 0 || pipe(report) < 0) throw CallFailed("pipe", errno);
    stop_ = Descriptor(stop[1]);
    report_ = Descriptor(report[0]);
    const Descriptor stop_end(stop[0]);
    const Descriptor report_end(report[1]);
    // All listeners stand before the first client comes, for he is dealt to one of those.
    std::vector<Descriptor> listeners;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0 && sharing != Sharing::listener_each) break;
      listeners.push_back(sharing_listener(i == 0 ? std::uint16_t{0} : port_));
      port_ = port_of(listeners[0].fd());
    }
    for (std::size_t i = 0; i < count; ++i) {
      const int listener = listeners[std::min(i, listeners.size() - 1)].fd();
      const pid_t process = fork();
      if (process < 0) throw CallFailed("fork", errno);
      if (process == 0) {
        close(stop[1]);
        sleep_and_accept(listener, sharing == Sharing::exclusive, stop[0], report[1]);
      }
      processes_.push_back(process);
    }
  }
  ~Herd() {
    for (const pid_t process : processes_) {
      kill(process, SIGKILL);
      waitpid(process, nullptr, 0);
    }
  }
  Herd(const Herd&) = delete;
  Herd& operator=(const Herd&) = delete;

  // A client comes, is let in and let go; then everybody has time to fall asleep again.
  bool visit() const {
    const Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in to = loopback(port_);
    if (!client || connect(client.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
      return false;
    pollfd end{client.fd(), POLLIN, 0};
    if (poll(&end, 1, 2000) != 1) return false;
    usleep(200);
    return true;
  }

  std::vector<Tally> tallies() {
    stop_ = Descriptor();  // the end of the pipe wakes all of them
    std::vector<Tally> found;
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      pollfd ready{report_.fd(), POLLIN, 0};
      Tally tally;
      if (poll(&ready, 1, 2000) != 1) break;
      if (read(report_.fd(), &tally, sizeof tally) == static_cast<ssize_t>(sizeof tally))
        found.push_back(tally);
    }
    return found;
  }

 private:
  Descriptor stop_;
  Descriptor report_;
  std::uint16_t port_ = 0;
  std::vector<pid_t> processes_;
};

}  // namespace

std::vector<Sharing> sharings() {
  return {Sharing::one_listener, Sharing::exclusive, Sharing::listener_each};
}

HerdReport watch_herd(Sharing sharing, std::size_t processes, std::size_t clients) {
  HerdReport report;
  try {
    Herd herd(sharing, processes);
    usleep(20'000);  // until all sleep
    for (std::size_t i = 0; i < clients; ++i)
      if (!herd.visit()) report.problem = "a client was not let in";
    const std::vector<Tally> tallies = herd.tallies();
    if (tallies.size() != processes) report.problem = "not everybody reported";
    for (const Tally& tally : tallies) {
      report.clients += static_cast<double>(tally.accepted);
      report.wakeups += static_cast<double>(tally.wakeups);
      report.most_accepted = std::max(report.most_accepted, static_cast<double>(tally.accepted));
    }
    if (report.clients != static_cast<double>(clients)) report.problem = "clients were lost";
  } catch (const CallFailed& failure) {
    report.problem = failure.what();
  }
  return report;
}

#else

std::vector<Sharing> sharings() {
  return {};
}

HerdReport watch_herd(Sharing, std::size_t, std::size_t) {
  HerdReport report;
  report.problem = "this is watched on Linux only";
  return report;
}

#endif

std::string name_of(Sharing sharing) {
  switch (sharing) {
    case Sharing::one_listener:
      return "one listener";
    case Sharing::exclusive:
      return "EPOLLEXCLUSIVE";
    case Sharing::listener_each:
      return "SO_REUSEPORT";
  }
  return "";
}
