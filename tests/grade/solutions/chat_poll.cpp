// chat_poll, solved: a room for lines, one thread, poll(2), and a bound on what waits for anybody.
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "common/acceptor.hpp"
#include "common/counters.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

namespace {

constexpr const char* purpose = "An exercise: a room in which each line reaches all the others.";

constexpr std::size_t max_line = 1024;         // with its line feed
constexpr std::size_t max_unsent = 64 * 1024;  // for one member

struct Member {
  Descriptor socket;
  Time time_started;          // since when nothing of `unsent` has been taken
  std::string received = {};  // the beginning of a line
  std::string unsent = {};
  bool is_leaving = false;
};

class Room {
 public:
  explicit Room(const Options& options)
      : idle_limit_(std::chrono::duration_cast<Clock::duration>(options.idle_limit)),
        acceptor_(open_listener(options), Blocking::no) {
    announce(acceptor_.fd());
  }

  void run() {
    while (!stop_requested()) {
      fill_watched();
      const int ready = poll(watched_.data(), static_cast<nfds_t>(watched_.size()), timeout());
      if (ready < 0) excuse_failed_wait("poll", errno);
      now_ = Clock::now();
      Counters::count(counters.wakeups);
      if (ready > 0) serve_members();
      if (ready > 0 && watched_[listener_entry].revents != 0) accept_member();
      expire_members();
      std::erase_if(members_, [](const Member& member) { return member.is_leaving; });
    }
    for (Member& member : members_) write(member);  // what still fits
  }

 private:
  // Members come and go between two polls only, so entry i belongs to member i - first_member.
  void fill_watched() {
    const int listener = acceptor_.is_accepting(now_) ? acceptor_.fd() : -1;
    watched_.assign({{stop_descriptor_, POLLIN, 0}, {listener, POLLIN, 0}});
    for (const Member& member : members_) {
      const int events = POLLIN | (member.unsent.empty() ? 0 : POLLOUT);
      watched_.push_back({member.socket.fd(), static_cast<short>(events), 0});
    }
  }

  int timeout() const {
    std::optional<Time> next = acceptor_.resumes_at(now_);
    for (const Member& member : members_)
      if (!member.unsent.empty()) next = earlier(next, member.time_started + idle_limit_);
    return milliseconds_until(next, Clock::now());
  }

  void accept_member() {
    if (Descriptor socket = acceptor_.next_client(now_))
      members_.push_back({.socket = std::move(socket), .time_started = now_});
  }

  void serve_members() {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      const short events = watched_[first_member + i].revents;
      if ((events & POLLOUT) != 0) write(members_[i]);
      if ((events & ~POLLOUT) != 0) read(members_[i]);
    }
  }

  void read(Member& member) {
    std::array<char, 4096> room;
    const ssize_t count = receive(member.socket.fd(), room);
    if (count < 0 && is_not_ready(errno)) return;
    if (count <= 0) {
      member.is_leaving = true;
      return;
    }
    member.received.append(room.data(), static_cast<std::size_t>(count));
    std::string_view rest = member.received;
    for (std::size_t end; (end = rest.find('\n')) != rest.npos && end < max_line;) {
      tell_others(member, rest.substr(0, end + 1));
      rest.remove_prefix(end + 1);
    }
    if (std::min(rest.find('\n'), rest.size()) >= max_line) member.is_leaving = true;
    member.received.erase(0, member.received.size() - rest.size());
  }

  void tell_others(const Member& speaker, std::string_view line) {
    for (Member& member : members_) {
      if (&member == &speaker || member.is_leaving) continue;
      if (member.unsent.empty()) member.time_started = now_;
      if (member.unsent.size() + line.size() > max_unsent) write(member);
      if (member.unsent.size() + line.size() > max_unsent)
        member.is_leaving = true;  // it is too slow for this room
      else
        member.unsent += line;
    }
  }

  void write(Member& member) {
    if (member.unsent.empty() || member.is_leaving) return;
    const ssize_t count = send_some(member.socket.fd(), member.unsent);
    if (count < 0 && is_not_ready(errno)) return;
    if (count < 0) {
      member.is_leaving = true;
      return;
    }
    member.unsent.erase(0, static_cast<std::size_t>(count));
    member.time_started = now_;
  }

  void expire_members() {
    for (Member& member : members_)
      if (!member.unsent.empty() && member.time_started + idle_limit_ <= now_)
        member.is_leaving = true;
  }

  static constexpr std::size_t listener_entry = 1;
  static constexpr std::size_t first_member = 2;

  const Clock::duration idle_limit_;
  const int stop_descriptor_ = install_signal_handlers();
  Acceptor acceptor_;
  std::vector<Member> members_;
  std::vector<pollfd> watched_;
  Time now_ = Clock::now();
};

void run_server(int argc, char** argv) {
  Room room(read_options(argc, argv, "apth", purpose));
  room.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
