// chat_events, solved: a room for lines, one thread, and the kernel says who is ready. A line costs
// by who hears it, a wake-up by who is ready, and the clock by who is slow. Nothing costs by how
// many are in the room and silent.
#include <algorithm>
#include <array>
#include <cerrno>
#include <list>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "common/acceptor.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "nonblocking/ready_queue.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: a room in which each line reaches all the others.";

constexpr std::size_t max_line = 1024;         // with its line feed
constexpr std::size_t max_unsent = 64 * 1024;  // for one member

struct Member {
  Descriptor socket;
  Wait wait;
  std::size_t place;          // in the room
  std::string received = {};  // the beginning of a line
  std::string unsent = {};    // who has some is slow, and is not heard until it is sent
  Time time_started = {};     // since when nothing of it has been taken
  std::list<Member*>::iterator turn = {};  // among the slow ones
  bool is_leaving = false;
};

class Room {
 public:
  explicit Room(const Options& options)
      : idle_limit_(std::chrono::duration_cast<Clock::duration>(options.idle_limit)),
        acceptor_(open_listener(options), Blocking::no) {
    if (!queue_.watch(stop_wait_, nullptr)) throw CallFailed("watch", errno, stop_wait_.fd);
    start_accepting();
    announce(acceptor_.fd());
  }

  void run() {
    while (!acceptor_.is_closed() || !members_.empty()) {
      const auto deadline = earlier(next_due(), acceptor_.resumes_at(now_));
      const auto ready = queue_.wait(milliseconds_until(deadline, Clock::now()));
      now_ = Clock::now();
      Counters::count(counters_.wakeups);
      for (void* owner : ready) {
        if (owner == &acceptor_)
          accept_members();
        else if (owner != nullptr)
          serve(*static_cast<Member*>(owner));
      }
      expire_members();
      if (signals_.stop_requested() && !acceptor_.is_closed()) stop();
      remove_leaving();
      if (!is_accepting_ && acceptor_.is_accepting(now_)) start_accepting();
    }
  }

 private:
  // -- members come --

  void start_accepting() {
    is_accepting_ = queue_.watch({acceptor_.fd(), Interest::readable}, &acceptor_);
    if (!is_accepting_) acceptor_.pause(now_);
  }

  void stop_accepting() {
    if (is_accepting_) queue_.forget({acceptor_.fd(), Interest::readable});
    is_accepting_ = false;
  }

  // Not all there are: those who are here already want their turn too.
  void accept_members() {
    for (int i = 0; i < most_accepted_at_once && acceptor_.is_accepting(now_); ++i) {
      Descriptor socket = acceptor_.next_client(now_);
      if (!socket) break;
      welcome(std::move(socket));
    }
    if (!acceptor_.is_accepting(now_)) stop_accepting();
  }

  void welcome(Descriptor socket) try {
    const Wait wait{socket.fd(), Interest::readable};
    members_.push_back(std::make_unique<Member>(
        Member{.socket = std::move(socket), .wait = wait, .place = members_.size()}));
    Counters::count(counters_.accepted);
    if (!queue_.watch(wait, members_.back().get())) leave(*members_.back());
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // -- one member's turn --

  // It may have left in somebody else's turn, by an event of the same wake-up.
  void serve(Member& member) try {
    if (member.is_leaving) return;
    if (is_slow(member))
      write(member);
    else
      read(member);
  } catch (const std::bad_alloc&) {
    leave(member);
  }

  void read(Member& member) {
    std::array<char, 4096> room;
    const ssize_t count = receive(member.socket.fd(), room);
    if (count < 0 && is_not_ready(errno)) return;
    if (count <= 0) return leave(member);
    member.received.append(room.data(), static_cast<std::size_t>(count));
    std::string_view rest = member.received;
    for (std::size_t end; (end = rest.find('\n')) != rest.npos && end < max_line;)
      rest.remove_prefix(end + 1);
    const std::size_t whole = member.received.size() - rest.size();
    if (whole > 0) tell_others(member, std::string_view(member.received).substr(0, whole));
    if (std::min(rest.find('\n'), rest.size()) >= max_line) leave(member);
    member.received.erase(0, whole);
  }

  void tell_others(const Member& speaker, std::string_view lines) {
    for (const auto& member : members_)
      if (member.get() != &speaker && !member->is_leaving) tell(*member, lines);
  }

  // Most often the kernel takes all of it at once, and there is nothing to remember.
  void tell(Member& member, std::string_view lines) {
    if (!is_slow(member)) lines.remove_prefix(send(member, lines));
    if (lines.empty() || member.is_leaving) return;
    if (member.unsent.size() + lines.size() > max_unsent) write(member);
    if (member.unsent.size() + lines.size() > max_unsent) return leave(member);
    member.unsent.reserve(member.unsent.size() + lines.size());  // may throw; the rest may not
    if (!is_slow(member)) {
      member.time_started = now_;
      member.turn = slow_.insert(slow_.end(), &member);
    }
    member.unsent += lines;
    watch(member, Interest::writable);
  }

  // Some of what waits. Whoever takes some has the whole time again.
  void write(Member& member) {
    const std::size_t count = send(member, member.unsent);
    if (count == 0) return;
    member.unsent.erase(0, count);
    member.time_started = now_;
    slow_.splice(slow_.end(), slow_, member.turn);
    if (is_slow(member)) return;
    slow_.erase(member.turn);
    member.unsent = std::string();  // and its memory is free
    watch(member, Interest::readable);
    if (acceptor_.is_closed()) leave(member);
  }

  // How much the kernel has taken.
  std::size_t send(Member& member, std::string_view lines) {
    const ssize_t count = send_some(member.socket.fd(), lines);
    if (count < 0 && !is_not_ready(errno)) leave(member);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }

  static bool is_slow(const Member& member) { return !member.unsent.empty(); }

  void watch(Member& member, Interest interest) {
    const Wait wait{member.wait.fd, interest};
    if (wait == member.wait || member.is_leaving) return;
    if (!queue_.change(member.wait, wait, &member)) leave(member);
    member.wait = wait;
  }

  // -- members go --

  std::optional<Time> next_due() const {
    if (slow_.empty()) return std::nullopt;
    return slow_.front()->time_started + idle_limit_;
  }

  void expire_members() {
    while (!slow_.empty() && slow_.front()->time_started + idle_limit_ <= now_)
      leave(*slow_.front());
  }

  // It stays in the room until the wake-up's last event has been served: one of them may be its.
  void leave(Member& member) {
    if (member.is_leaving) return;
    member.is_leaving = true;
    leaving_.push_back(&member);
    if (is_slow(member)) slow_.erase(member.turn);
  }

  void remove_leaving() {
    for (Member* member : leaving_) {
      queue_.forget_before_close(member->wait);
      Counters::count(counters_.closed);
      const std::size_t place = member->place;
      members_[place].swap(members_.back());
      members_[place]->place = place;
      members_.pop_back();
    }
    leaving_.clear();
  }

  // From now on nobody is heard. What waits for the slow ones is still sent.
  void stop() {
    stop_accepting();
    acceptor_.close();
    queue_.forget(stop_wait_);  // it stays readable for ever
    for (const auto& member : members_)
      if (!is_slow(*member)) leave(*member);
  }

  static constexpr int most_accepted_at_once = 64;

  const Clock::duration idle_limit_;
  Counters counters_;
  Signals signals_{counters_};
  const Wait stop_wait_{signals_.stop_descriptor(), Interest::readable};
  ReadyQueue queue_;
  Acceptor acceptor_;
  bool is_accepting_ = false;
  std::vector<std::unique_ptr<Member>> members_;  // in no order
  std::list<Member*> slow_;  // whoever has taken nothing for the longest time stands in front
  std::vector<Member*> leaving_;
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
