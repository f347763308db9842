// chat_threads-writer_threads.cpp — a correct room: two threads for each member, one parked in
// recv, the other in a send that SO_SNDTIMEO limits. Whoever speaks only puts lines into a queue,
// and a member whose queue is full leaves.
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
#include "common/counters.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

namespace {

constexpr const char* purpose = "An exercise: a room in which each line reaches all the others.";

constexpr std::size_t max_line = 1024;         // with its line feed
constexpr std::size_t max_unsent = 64 * 1024;  // for one member

// What waits for one member. Everybody may put lines in; one thread takes them out.
class Outbox {
 public:
  // False if there is no room for them.
  bool put(std::string_view lines) {
    const std::lock_guard lock(mutex_);
    if (unsent_.size() + lines.size() > max_unsent) return false;
    unsent_ += lines;
    changed_.notify_one();
    return true;
  }

  // What is to be sent next, as much of it as `room` holds. Parks until there is something; empty
  // when the box has been closed and emptied.
  std::string_view next(std::span<char> room) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_closed_ || !unsent_.empty(); });
    return {room.data(), unsent_.copy(room.data(), room.size())};
  }

  void sent(std::size_t count) {
    const std::lock_guard lock(mutex_);
    unsent_.erase(0, count);
  }

  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string unsent_;
  bool is_closed_ = false;
};

struct Member {
  explicit Member(Descriptor its_socket) : socket(std::move(its_socket)) {}

  const Descriptor socket;
  Outbox outbox;
  bool is_present = true;   // guarded by the room's mutex
  std::thread thread = {};  // the one that listens; the accepting thread joins it
};

class Room {
 public:
  explicit Room(const Options& options)
      : idle_limit_(options.idle_limit), acceptor_(open_listener(options), Blocking::yes) {
    if (pipe(finished_pipe_) < 0) throw CallFailed("pipe", errno);
    for (const int end : finished_pipe_) set_nonblocking(end);
    announce(acceptor_.fd());
  }

  // The accepting thread parks here, until somebody comes, a thread ends or a stop is asked for.
  void run() {
    while (!acceptor_.is_closed() || thread_count_ > 0) {
      const Time now = Clock::now();
      pollfd watched[] = {{acceptor_.is_closed() ? nobody : stop_descriptor_, POLLIN, 0},
                          {finished_pipe_[0], POLLIN, 0},
                          {acceptor_.is_accepting(now) ? acceptor_.fd() : nobody, POLLIN, 0}};
      const int ready = poll(watched, 3, milliseconds_until(acceptor_.resumes_at(now), now));
      if (ready < 0 && errno != EINTR) throw CallFailed("poll", errno);
      Counters::count(counters.wakeups);
      if (ready > 0 && watched[1].revents != 0) join_finished();
      if (ready > 0 && watched[2].revents != 0) accept_member();
      if (stop_requested() && !acceptor_.is_closed()) stop();
    }
  }

 private:
  using Place = std::list<Member>::iterator;

  // -- in the accepting thread --

  void accept_member() try {
    Descriptor socket = acceptor_.next_client(Clock::now());
    if (!socket || !set_patience(socket.fd(), idle_limit_)) return;
    const std::lock_guard lock(mutex_);
    const Place member = members_.emplace(members_.end(), std::move(socket));
    try {
      member->thread = std::thread([this, member] { serve(member); });
    } catch (const std::system_error&) {  // no memory for a stack, or a limit on threads
      members_.erase(member);
      return;
    }
    ++thread_count_;
    Counters::count(counters.accepted);
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
      Counters::count(counters.closed);
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
      std::thread teller([member] { tell(*member); });
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

  // Until the member leaves, or says what is no line. Silence is no reason to leave.
  void listen_to(Member& member) try {
    std::array<char, 4096> room;
    std::string received;  // the beginning of a line, and what has just come
    while (!stop_requested()) {
      const ssize_t count = receive(member.socket.fd(), room);
      if (count < 0 && is_not_ready(errno)) continue;
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

  // The lock is held while lines are copied, and never while anybody waits for a socket. It also
  // keeps all sockets open: no number can have gone to somebody else's.
  void tell_others(const Member& speaker, std::string_view line) {
    const std::lock_guard lock(mutex_);
    for (Member& member : members_) {
      if (&member == &speaker || !member.is_present) continue;
      const bool is_too_slow = !member.outbox.put(line);
      if (is_too_slow) shutdown(member.socket.fd(), SHUT_RDWR);  // both its threads come back
    }
  }

  // No more lines for this one. What waits in its box is still sent.
  void leave(Member& member) {
    const std::lock_guard lock(mutex_);
    member.is_present = false;
    member.outbox.close();
  }

  // The one place where a thread is parked in send, and it has no lock. When the member has taken
  // nothing for the time limit, send fails with EAGAIN.
  static void tell(Member& member) {
    std::array<char, 4096> room;
    for (;;) {
      const std::string_view lines = member.outbox.next(room);
      if (lines.empty()) return;
      const ssize_t count = send_some(member.socket.fd(), lines);
      if (count < 0) break;
      member.outbox.sent(static_cast<std::size_t>(count));
    }
    shutdown(member.socket.fd(), SHUT_RDWR);  // the thread that listens comes back, too
  }

  static constexpr int nobody = -1;  // poll passes over a negative descriptor

  const Seconds idle_limit_;
  const int stop_descriptor_ = install_signal_handlers();
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
