// chat_poll — your file: a room that works as long as every line comes in one piece and everybody
// reads at once what is said. What one member says must reach every other: whole lines, in order,
// none mixed with another. A line has 1024 bytes at most, its line feed included; whoever sends a
// longer one leaves the room. Whoever closes its sending side leaves, too, and so does who takes
// nothing for -t seconds while lines wait, or for whom more than 64 KiB would wait. On SIGTERM the
// room ends with status 0. Try: make grade EX=chat_poll
#include <poll.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <vector>

#include "common/acceptor.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: a room in which each line reaches all the others.";

struct Member {
  Descriptor socket;
  bool is_leaving = false;
};

class Room {
 public:
  explicit Room(const Options& options) : acceptor_(open_listener(options), Blocking::yes) {
    announce(acceptor_.fd());
  }

  void run() {
    while (!signals_.stop_requested()) {
      fill_watched();
      const int ready = poll(watched_.data(), static_cast<nfds_t>(watched_.size()), timeout());
      if (ready < 0) excuse_failed_wait("poll", errno);
      now_ = Clock::now();
      Counters::count(counters_.wakeups);
      if (ready > 0) serve_members();
      if (ready > 0 && watched_[listener_entry].revents != 0) accept_member();
      std::erase_if(members_, [](const Member& member) { return member.is_leaving; });
    }
  }

 private:
  // Members come and go between two polls only, so entry i belongs to member i - first_member.
  void fill_watched() {
    const int listener = acceptor_.is_accepting(now_) ? acceptor_.fd() : -1;
    watched_.assign({{signals_.stop_descriptor(), POLLIN, 0}, {listener, POLLIN, 0}});
    for (const Member& member : members_) watched_.push_back({member.socket.fd(), POLLIN, 0});
  }

  int timeout() const { return milliseconds_until(acceptor_.resumes_at(now_), Clock::now()); }

  void accept_member() {
    if (Descriptor socket = acceptor_.next_client(now_))
      members_.push_back({.socket = std::move(socket)});
  }

  void serve_members() {
    for (std::size_t i = 0; i < members_.size(); ++i)
      if (watched_[first_member + i].revents != 0) read(members_[i]);
  }

  void read(Member& member) {
    std::array<char, 4096> room;
    const ssize_t count = receive(member.socket.fd(), room);
    if (count <= 0)
      member.is_leaving = true;
    else
      tell_others(member, {room.data(), static_cast<std::size_t>(count)});
  }

  void tell_others(const Member& speaker, std::string_view line) {
    for (Member& member : members_)
      if (&member != &speaker) (void)send_some(member.socket.fd(), line);
  }

  static constexpr std::size_t listener_entry = 1;
  static constexpr std::size_t first_member = 2;

  Counters counters_;
  Signals signals_{counters_};
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
