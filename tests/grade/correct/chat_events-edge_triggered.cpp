// chat_events-edge_triggered.cpp — a correct room: an epoll set of its own, edge-triggered, both
// directions watched once and for ever, and read until nothing is left; one accept for each
// level-triggered wake-up; lines are shared, not copied; on kqueue it is not built.
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/acceptor.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "A room in which each line reaches all the others.";

using Line = std::shared_ptr<const std::string>;

struct Guest {
  Descriptor socket;
  std::string beginning = {};
  std::deque<Line> queue = {};
  std::size_t begun = 0;  // of the first line in the queue
  std::size_t queued = 0;
  std::multimap<Time, int>::iterator alarm = {};
  bool has_alarm = false;
};

class EdgeRoom {
 public:
  explicit EdgeRoom(const Options& options)
      : limit_(std::chrono::duration_cast<Clock::duration>(options.idle_limit)),
        acceptor_(open_listener(options), Blocking::no),
        set_(epoll_create1(EPOLL_CLOEXEC)) {
    if (!set_) throw CallFailed("epoll_create1", errno);
    add(stop_, EPOLLIN);
    add(acceptor_.fd(), EPOLLIN);
    announce(acceptor_.fd());
  }

  void run() {
    while (!is_closing_ || !guests_.empty()) {
      std::optional<Time> next = acceptor_.resumes_at(now_);
      if (!alarms_.empty()) next = earlier(next, alarms_.begin()->first);
      std::array<epoll_event, 64> events;
      const int count =
          epoll_wait(set_.fd(), events.data(), 64, milliseconds_until(next, Clock::now()));
      if (count < 0 && errno != EINTR) throw CallFailed("epoll_wait", errno);
      now_ = Clock::now();
      for (int i = 0; i < count; ++i) handle(events[static_cast<std::size_t>(i)].data.fd);
      while (!alarms_.empty() && alarms_.begin()->first <= now_)
        dead_.push_back(take_first_alarm());
      if (!is_closing_ && !listens_ && acceptor_.is_accepting(now_)) {
        add(acceptor_.fd(), EPOLLIN);
        listens_ = true;
      }
      if (signals_.stop_requested() && !is_closing_) close_room();
      bury();
    }
  }

 private:
  void add(int fd, std::uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.fd = fd;
    if (epoll_ctl(set_.fd(), EPOLL_CTL_ADD, fd, &event) < 0)
      throw CallFailed("epoll_ctl", errno, fd);
  }

  void handle(int fd) {
    if (fd == stop_) return;
    if (fd == acceptor_.fd()) return accept_one();
    const auto guest = guests_.find(fd);
    if (guest == guests_.end()) return;
    flush(guest->second);
    if (!is_closing_) read_all(guest->second);
  }

  void accept_one() {
    Descriptor socket = acceptor_.next_client(now_);
    if (!acceptor_.is_accepting(now_)) {
      epoll_ctl(set_.fd(), EPOLL_CTL_DEL, acceptor_.fd(), nullptr);
      listens_ = false;
    }
    if (!socket) return;
    const int fd = socket.fd();
    guests_.emplace(fd, Guest{std::move(socket)});
    add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  }

  void read_all(Guest& guest) {
    std::array<char, 16384> room;
    for (;;) {
      const ssize_t count = receive(guest.socket.fd(), room);
      if (count < 0 && is_not_ready(errno)) return;
      if (count <= 0) return dead_.push_back(guest.socket.fd());
      guest.beginning.append(room.data(), static_cast<std::size_t>(count));
      std::size_t from = 0;
      for (std::size_t end; (end = guest.beginning.find('\n', from)) != std::string::npos;) {
        if (end - from >= 1024) return dead_.push_back(guest.socket.fd());
        tell(guest, std::make_shared<const std::string>(guest.beginning, from, end + 1 - from));
        from = end + 1;
      }
      guest.beginning.erase(0, from);
      if (guest.beginning.size() >= 1024) return dead_.push_back(guest.socket.fd());
    }
  }

  void tell(const Guest& speaker, const Line& line) {
    for (auto& [fd, guest] : guests_) {
      if (&guest == &speaker) continue;
      guest.queue.push_back(line);
      guest.queued += line->size();
      if (guest.queue.size() == 1 || guest.queued > 65536) flush(guest);
      if (guest.queued > 65536) dead_.push_back(fd);
    }
  }

  void flush(Guest& guest) {
    while (!guest.queue.empty()) {
      const std::string_view rest = std::string_view(*guest.queue.front()).substr(guest.begun);
      const ssize_t count = send_some(guest.socket.fd(), rest);
      if (count < 0 && !is_not_ready(errno)) return dead_.push_back(guest.socket.fd());
      if (count < 0) break;
      guest.queued -= static_cast<std::size_t>(count);
      guest.begun += static_cast<std::size_t>(count);
      stop_alarm(guest);
      if (guest.begun < guest.queue.front()->size()) continue;
      guest.queue.pop_front();
      guest.begun = 0;
    }
    if (guest.queue.empty())
      stop_alarm(guest);
    else if (!guest.has_alarm)
      start_alarm(guest);
    if (guest.queue.empty() && is_closing_) dead_.push_back(guest.socket.fd());
  }

  void start_alarm(Guest& guest) {
    guest.alarm = alarms_.emplace(now_ + limit_, guest.socket.fd());
    guest.has_alarm = true;
  }

  void stop_alarm(Guest& guest) {
    if (guest.has_alarm) alarms_.erase(guest.alarm);
    guest.has_alarm = false;
  }

  int take_first_alarm() {
    const int fd = alarms_.begin()->second;
    stop_alarm(guests_.at(fd));
    return fd;
  }

  void bury() {
    for (const int fd : dead_) {
      const auto guest = guests_.find(fd);
      if (guest == guests_.end()) continue;
      stop_alarm(guest->second);
      guests_.erase(guest);
    }
    dead_.clear();
  }

  void close_room() {
    is_closing_ = true;
    epoll_ctl(set_.fd(), EPOLL_CTL_DEL, stop_, nullptr);
    acceptor_.close();
    for (auto& [fd, guest] : guests_) flush(guest);
  }

  const Clock::duration limit_;
  Counters counters_;
  Signals signals_{counters_};
  const int stop_ = signals_.stop_descriptor();
  Acceptor acceptor_;
  Descriptor set_;
  bool listens_ = true;
  bool is_closing_ = false;
  std::map<int, Guest> guests_;
  std::multimap<Time, int> alarms_;
  std::vector<int> dead_;
  Time now_ = Clock::now();
};

void run_server(int argc, char** argv) {
  EdgeRoom room(read_options(argc, argv, "apth", purpose));
  room.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
