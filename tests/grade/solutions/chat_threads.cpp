// chat_threads, solved: a room for lines, and two threads for each member. One is parked in recv
// and brings what the member says; the other is parked until the member is behind with listening,
// and then until its socket takes more. No thread is parked anywhere with a lock in its hand.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <list>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>

#include "common/acceptor.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: a room in which each line reaches all the others.";

constexpr std::size_t max_line = 1024;         // with its line feed
constexpr std::size_t max_unsent = 64 * 1024;  // for one member

// What waits for one member. Whoever speaks puts lines in, and what the kernel takes at once leaves
// at once. The rest is left to the member's second thread. A send that never waits may be made
// with a lock.
class Outbox {
 public:
  explicit Outbox(int socket) : socket_(socket) {}

  // False if too much waits now. Never parks.
  bool put(std::string_view lines) {
    const std::lock_guard lock(mutex_);
    unsent_ += lines;
    (void)send_what_fits();  // to a member that has left: that is for its own threads to find out
    if (!unsent_.empty()) changed_.notify_one();
    return unsent_.size() <= max_unsent;
  }

  // Parks until something waits. False when nothing does and the box is closed.
  bool await_lines() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_closed_ || !unsent_.empty(); });
    return !unsent_.empty();
  }

  // False if the member has left.
  bool push_out() {
    const std::lock_guard lock(mutex_);
    return send_what_fits();
  }

  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    changed_.notify_one();
  }

 private:
  bool send_what_fits() {
    const ssize_t count = send(socket_, unsent_.data(), unsent_.size(), MSG_DONTWAIT);
    if (count < 0) return is_not_ready(errno);
    unsent_.erase(0, static_cast<std::size_t>(count));
    return true;
  }

  const int socket_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string unsent_;
  bool is_closed_ = false;
};

struct Member {
  explicit Member(Descriptor its_socket) : socket(std::move(its_socket)) {}

  const Descriptor socket;
  Outbox outbox{socket.fd()};
  bool is_present = true;   // guarded by the room's mutex
  std::thread thread = {};  // the one that listens; the accepting thread joins it
};

class Room {
 public:
  explicit Room(const Options& options)
      : idle_limit_(std::chrono::duration_cast<Clock::duration>(options.idle_limit)),
        acceptor_(open_listener(options), Blocking::yes) {
    open_pipe(finished_pipe_);
    for (const int end : finished_pipe_) set_nonblocking(end);
    announce(acceptor_.fd());
  }

  // The accepting thread parks here, until somebody comes, a thread ends or a stop is asked for.
  void run() {
    while (!acceptor_.is_closed() || thread_count_ > 0) {
      const Time now = Clock::now();
      pollfd watched[] = {{acceptor_.is_closed() ? nobody : signals_.stop_descriptor(), POLLIN, 0},
                          {finished_pipe_[0], POLLIN, 0},
                          {acceptor_.is_accepting(now) ? acceptor_.fd() : nobody, POLLIN, 0}};
      const int ready = poll(watched, 3, milliseconds_until(acceptor_.resumes_at(now), now));
      if (ready < 0) excuse_failed_wait("poll", errno);
      Counters::count(counters_.wakeups);
      if (ready > 0 && watched[1].revents != 0) join_finished();
      if (ready > 0 && watched[2].revents != 0) accept_member();
      if (signals_.stop_requested() && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Place = std::list<Member>::iterator;

  // -- in the accepting thread --

  void accept_member() try {
    Descriptor socket = acceptor_.next_client(Clock::now());
    if (!socket) return;
    const std::lock_guard lock(mutex_);
    const Place member = members_.emplace(members_.end(), std::move(socket));
    try {
      member->thread = std::thread([this, member] { serve(member); });
    } catch (const std::system_error&) {  // no memory for a stack, or a limit on threads
      members_.erase(member);
      return;
    }
    ++thread_count_;
    Counters::count(counters_.accepted);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(Clock::now());
  }

  // A thread that has ended keeps its stack until it is joined.
  void join_finished() {
    char bytes[64];
    while (read(finished_pipe_[0], bytes, sizeof bytes) > 0) {
    }
    std::list<Member> finished;
    {
      const std::lock_guard lock(mutex_);
      finished.swap(finished_);
    }
    for (Member& member : finished) {
      member.thread.join();
      --thread_count_;
      Counters::count(counters_.closed);
    }
  }

  // From now on nobody is heard: a stream that has ended wakes whoever is parked in its recv.
  void stop() {
    acceptor_.close();
    const std::lock_guard lock(mutex_);
    for (const Member& member : members_) shutdown(member.socket.fd(), SHUT_RD);
  }

  // -- in each member's threads --

  void serve(Place member) {
    try {
      std::thread teller([this, member] { send_to(*member); });
      listen_to(*member);
      leave(*member);
      teller.join();
    } catch (const std::system_error&) {  // no second thread
      leave(*member);
    }
    const std::lock_guard lock(mutex_);
    finished_.splice(finished_.end(), members_, member);
    // EAGAIN: the pipe is full, so there is plenty to wake the accepting thread already.
    [[maybe_unused]] const ssize_t written = write(finished_pipe_[1], "", 1);
  }

  // Until the member leaves, or says what is no line. It may be silent for as long as it likes.
  void listen_to(Member& member) try {
    std::array<char, 4096> room;
    std::string received;  // the beginning of a line, and what has just come
    while (!signals_.stop_requested()) {
      const ssize_t count = receive(member.socket.fd(), room);
      if (count <= 0) return;
      received.append(room.data(), static_cast<std::size_t>(count));
      std::string_view rest = received;
      for (std::size_t end; (end = rest.find('\n')) != rest.npos && end < max_line;) {
        tell_others(member, rest.substr(0, end + 1));
        rest.remove_prefix(end + 1);
      }
      if (std::min(rest.find('\n'), rest.size()) >= max_line) return;
      received.erase(0, received.size() - rest.size());
    }
  } catch (const std::bad_alloc&) {
  }

  // The lock also keeps all sockets open: no number can have gone to somebody else's.
  void tell_others(const Member& speaker, std::string_view line) {
    const std::lock_guard lock(mutex_);
    for (Member& member : members_) {
      if (&member == &speaker || !member.is_present) continue;
      member.is_present = member.outbox.put(line);
      if (!member.is_present) end(member);  // too slow for this room
    }
  }

  // No more lines for this one. What waits in its box is still sent.
  void leave(Member& member) {
    const std::lock_guard lock(mutex_);
    member.is_present = false;
    member.outbox.close();
  }

  // Parked while the member takes nothing, for the time limit at most, and without a lock.
  void send_to(Member& member) {
    while (member.outbox.await_lines()) {
      const bool takes_some = wait_until_writable(member.socket.fd(), Clock::now() + idle_limit_);
      if (!takes_some || !member.outbox.push_out()) return end(member);
    }
  }

  static bool wait_until_writable(int socket, Time limit) {
    pollfd watched{socket, POLLOUT, 0};
    int ready;
    do ready = poll(&watched, 1, milliseconds_until(limit, Clock::now()));
    while (ready < 0 && errno == EINTR);
    return ready > 0;
  }

  // Wherever its threads are parked, they come back.
  static void end(const Member& member) { shutdown(member.socket.fd(), SHUT_RDWR); }

  static constexpr int nobody = -1;  // poll passes over a negative descriptor

  const Clock::duration idle_limit_;
  Counters counters_;
  Signals signals_{counters_};
  Acceptor acceptor_;
  int finished_pipe_[2];
  std::size_t thread_count_ = 0;  // of those that listen and have not been joined

  std::mutex mutex_;
  std::list<Member> members_;   // guarded by mutex_
  std::list<Member> finished_;  // whose thread is to be joined; guarded by mutex_
};

void run_server(int argc, char** argv) {
  Room room(read_options(argc, argv, "apth", purpose));
  room.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
