// chat_events — your file: a room with sixty-four places that asks a queue who is ready, and uses
// it as one uses poll. Make it a room for a thousand, in which those who are silent cost nothing.
//
// What one member says must reach every other: whole lines, in order, none mixed with another. A
// line has 1024 bytes at most, its line feed included; whoever sends a longer one leaves the room.
// Whoever closes its sending side leaves, too, and so does who takes nothing for -t seconds while
// lines wait, or for whom more than 64 KiB would wait; nobody else is held up meanwhile. After
// SIGTERM nobody is heard any more, what waits is still sent to those who take it, and the room
// ends with status 0. A wake-up costs by who is ready, not by who is in the room.
//
// A queue watches a descriptor for one thing at a time (ready_queue.hpp). It may help to hear
// nobody who has lines waiting. Try: make grade EX=chat_events
#include <array>
#include <cerrno>
#include <string_view>

#include "common/acceptor.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "nonblocking/ready_queue.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: a room in which each line reaches all the others.";

struct Member {
  Descriptor socket = {};
  bool is_leaving = false;
};

class Room {
 public:
  explicit Room(const Options& options) : acceptor_(open_listener(options), Blocking::yes) {
    if (!queue_.watch(stop_wait_, nullptr)) throw CallFailed("watch", errno, stop_wait_.fd);
    announce(acceptor_.fd());
  }

  void run() {
    while (!signals_.stop_requested()) {
      watch_all();
      const auto deadline = acceptor_.resumes_at(now_);
      const auto ready = queue_.wait(milliseconds_until(deadline, Clock::now()));
      now_ = Clock::now();
      Counters::count(counters_.wakeups);
      forget_all();
      for (void* owner : ready) {
        if (owner == &acceptor_)
          accept_member();
        else if (owner != nullptr)
          read(*static_cast<Member*>(owner));
      }
      for (Member& member : members_)
        if (member.is_leaving) member = {};
    }
  }

 private:
  void watch_all() {
    is_accepting_ = acceptor_.is_accepting(now_);
    if (is_accepting_) queue_.watch({acceptor_.fd(), Interest::readable}, &acceptor_);
    for (Member& member : members_)
      if (member.socket) queue_.watch({member.socket.fd(), Interest::readable}, &member);
  }

  void forget_all() {
    if (is_accepting_) queue_.forget({acceptor_.fd(), Interest::readable});
    for (const Member& member : members_)
      if (member.socket) queue_.forget({member.socket.fd(), Interest::readable});
  }

  // Whoever finds no place is rejected.
  void accept_member() {
    Descriptor socket = acceptor_.next_client(now_);
    for (Member& member : members_)
      if (!member.socket) std::swap(member.socket, socket);
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
      if (&member != &speaker && member.socket) (void)send_some(member.socket.fd(), line);
  }

  Counters counters_;
  Signals signals_{counters_};
  const Wait stop_wait_{signals_.stop_descriptor(), Interest::readable};
  ReadyQueue queue_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
  std::array<Member, 64> members_;
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
