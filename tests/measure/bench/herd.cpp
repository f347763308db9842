#include "tests/measure/bench/herd.hpp"

#ifdef __linux__

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "common/error.hpp"
#include "common/socket.hpp"
#include "tests/kit/forked.hpp"
#include "tests/kit/sockets.hpp"
#include "tests/measure/server.hpp"

namespace {

// listen_on() of our servers does not share its port, and should not.
Descriptor sharing_listener(std::uint16_t& port) {
  Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener) throw CallFailed("socket", errno);
  const int on = 1;
  if (setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
    throw CallFailed("setsockopt(SO_REUSEPORT)", errno, listener.fd());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw CallFailed("bind", errno, listener.fd());
  if (listen(listener.fd(), 128) < 0) throw CallFailed("listen", errno, listener.fd());
  port = local_port(listener.fd());
  return listener;
}

// One process: sleeps, wakes up, accepts whom it finds, says its number and lets him go.
int sleep_and_accept(int listener, bool exclusive, unsigned char number, int report) {
  const int queue = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN | (exclusive ? EPOLLEXCLUSIVE : 0u);
  if (epoll_ctl(queue, EPOLL_CTL_ADD, listener, &event) < 0) return 1;
  for (;;) {
    if (epoll_wait(queue, &event, 1, -1) < 0) continue;
    const int client = accept(listener, nullptr, nullptr);
    if (client < 0) continue;
    if (write(report, &number, 1) != 1) return 1;
    close(client);
  }
}

class Herd {
 public:
  Herd(const Sharing& sharing, std::size_t count) {
    Pipe report = new_pipe();
    set_nonblocking(report.read_end.fd());
    report_ = std::move(report.read_end);
    // All listeners stand before the first client comes, for he is dealt to one of those.
    std::vector<Descriptor> listeners;
    for (std::size_t i = 0; i < (sharing.listener_each ? count : 1); ++i)
      listeners.push_back(sharing_listener(port_));
    for (std::size_t i = 0; i < count; ++i) {
      const int listener = listeners[std::min(i, listeners.size() - 1)].fd();
      processes_.emplace_back([&] {
        return sleep_and_accept(listener, sharing.exclusive, static_cast<unsigned char>(i),
                                report.write_end.fd());
      });
    }
    usleep(20'000);  // until all sleep
  }

  // A client comes, is let in and let go; then everybody has time to fall asleep again.
  void visit() const {
    const Descriptor client = connect_blocking(port_, std::chrono::seconds(2));
    if (!client) throw CallFailed("connect", errno);
    pollfd end{client.fd(), POLLIN, 0};
    if (poll(&end, 1, 2000) != 1) throw WorkFailed{"a client was not let in"};
    usleep(200);
  }

  // How often they have gone to sleep of their own accord.
  double times_asleep() const {
    std::uint64_t times = 0;
    for (const Forked& process : processes_) {
      const ActivityReading seen = read_activity(process.pid());
      times += seen.switches.value_or(0) - seen.forced_switches.value_or(0);
    }
    return static_cast<double>(times);
  }

  // How many clients each has accepted.
  std::vector<std::size_t> accepted() const {
    std::vector<std::size_t> counts(processes_.size());
    unsigned char number = 0;
    while (read(report_.fd(), &number, 1) == 1) ++counts[number];
    return counts;
  }

 private:
  Descriptor report_;
  std::uint16_t port_ = 0;
  std::vector<Forked> processes_;
};

}  // namespace

std::vector<Sharing> sharings() {
  return {{"one listener", false, false},
          {"EPOLLEXCLUSIVE", true, false},
          {"SO_REUSEPORT", false, true}};
}

HerdReport watch_herd(const Sharing& sharing, std::size_t processes, std::size_t clients) {
  const Herd herd(sharing, processes);
  const double before = herd.times_asleep();
  for (std::size_t i = 0; i < clients; ++i) herd.visit();
  const double wakeups = herd.times_asleep() - before;
  const auto accepted = herd.accepted();
  std::size_t all = 0;
  for (const std::size_t count : accepted) all += count;
  if (all != clients) throw WorkFailed{"clients were lost"};
  const auto most = static_cast<double>(*std::max_element(accepted.begin(), accepted.end()));
  return {wakeups / static_cast<double>(clients), most / static_cast<double>(clients)};
}

#else

std::vector<Sharing> sharings() {
  return {};
}

HerdReport watch_herd(const Sharing&, std::size_t, std::size_t) {
  return {};
}

#endif
