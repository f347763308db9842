// chat_threads — your file: a room with a thread for each member, that works as long as nobody
// comes or goes while others talk, and everybody reads at once what is said.
//
// What one member says must reach every other: whole lines, in order, none mixed with another. A
// line has 1024 bytes at most, its line feed included; whoever sends a longer one leaves the room.
// Whoever closes its sending side leaves, too, and so does who takes nothing for -t seconds while
// lines wait, or for whom more than 64 KiB would wait; nobody else is held up meanwhile. After
// SIGTERM nobody is heard any more, what waits is still sent to those who take it, every thread
// ends, and the room ends with status 0. No data race: a build with ThreadSanitizer is graded too.
// Try: make grade EX=chat_threads
#include <poll.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <thread>
#include <vector>

#include "common/acceptor.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: a room in which each line reaches all the others.";

class Room {
 public:
  explicit Room(const Options& options) : acceptor_(open_listener(options), Blocking::yes) {
    announce(acceptor_.fd());
  }

  // The accepting thread parks here, until somebody comes or a stop is asked for.
  void run() {
    while (!signals_.stop_requested()) {
      const Time now = Clock::now();
      pollfd watched[] = {{signals_.stop_descriptor(), POLLIN, 0},
                          {acceptor_.is_accepting(now) ? acceptor_.fd() : nobody, POLLIN, 0}};
      const int ready = poll(watched, 2, milliseconds_until(acceptor_.resumes_at(now), now));
      if (ready < 0) excuse_failed_wait("poll", errno);
      Counters::count(counters_.wakeups);
      if (ready > 0 && watched[1].revents != 0) accept_member();
    }
  }

 private:
  void accept_member() {
    Descriptor socket = acceptor_.next_client(Clock::now());
    if (!socket) return;
    const int number = socket.fd();
    members_.push_back(std::move(socket));
    std::thread([this, number] { listen_to(number); }).detach();
  }

  // Parked in recv until the member says something.
  void listen_to(int member) {
    std::array<char, 4096> room;
    for (;;) {
      const ssize_t count = receive(member, room);
      if (count <= 0) return;
      tell_others(member, {room.data(), static_cast<std::size_t>(count)});
    }
  }

  void tell_others(int speaker, std::string_view line) {
    for (const Descriptor& member : members_)
      if (member.fd() != speaker) (void)send_some(member.fd(), line);
  }

  static constexpr int nobody = -1;  // poll passes over a negative descriptor

  Counters counters_;
  Signals signals_{counters_};
  Acceptor acceptor_;
  std::vector<Descriptor> members_;
};

void run_server(int argc, char** argv) {
  Room room(read_options(argc, argv, "apth", purpose));
  room.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
