// A correct room written another way: one log for all. Each member has a place in it, a line stays
// for as long as it is owed to somebody, and sendmsg takes 32 of them at once. Who falls 64 KiB
// behind is tried once more, and leaves if it takes nothing or is 128 KiB behind.
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/acceptor.hpp"
#include "common/counters.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

namespace {

constexpr const char* purpose = "An exercise: a room in which each line reaches all the others.";
constexpr std::size_t longest_line = 1024;
constexpr std::size_t most_waiting = 64 * 1024;

struct Line {
  std::string text;
  std::uint64_t author;
  std::size_t owed;  // to how many
};
using Log = std::list<Line>;

struct Member {
  Descriptor socket;
  std::uint64_t number;
  Log::iterator next;       // the first line owed to it; the log's end if none is
  std::size_t taken = 0;    // of that line
  std::size_t waiting = 0;  // bytes owed
  Time since = {};          // when they began to wait, or some were last taken
  std::string half_line = {};
  bool is_leaving = false;
};

class Room {
 public:
  explicit Room(const Options& options)
      : patience_(std::chrono::duration_cast<Clock::duration>(options.idle_limit)),
        acceptor_(open_listener(options), Blocking::no) {
    announce(acceptor_.fd());
  }

  void run() {
    while (!stop_requested()) {
      fill_watched();
      const int ready = poll(watched_.data(), static_cast<nfds_t>(watched_.size()), timeout());
      if (ready < 0) {
        excuse_failed_wait("poll", errno);
        continue;
      }
      now_ = Clock::now();
      Counters::count(counters.wakeups);
      if (ready > 0) hear_members();
      for (Member& member : members_)
        if (member.waiting > 0 && !member.is_leaving) serve(member);
      if (ready > 0 && watched_[listener_entry].revents != 0) accept_member();
      std::erase_if(members_, [](const Member& member) { return member.is_leaving; });
    }
  }

 private:
  void fill_watched() {
    now_ = Clock::now();
    const int listener = acceptor_.is_accepting(now_) ? acceptor_.fd() : -1;
    watched_.assign({{stop_descriptor_, POLLIN, 0}, {listener, POLLIN, 0}});
    for (const Member& member : members_)
      watched_.push_back({member.socket.fd(),
                          static_cast<short>(member.waiting > 0 ? POLLIN | POLLOUT : POLLIN), 0});
  }

  int timeout() const {
    std::optional<Time> due = acceptor_.resumes_at(now_);
    for (const Member& member : members_)
      if (member.waiting > 0) due = earlier(due, member.since + patience_);
    return milliseconds_until(due, Clock::now());
  }

  void accept_member() {
    Descriptor socket = acceptor_.next_client(now_);
    if (!socket) return;
    members_.push_back({.socket = std::move(socket), .number = ++last_number_, .next = log_.end()});
    Counters::count(counters.accepted);
  }

  void hear_members() {
    for (std::size_t i = 0; i < members_.size(); ++i)
      if (!members_[i].is_leaving && (watched_[first_member + i].revents & ~POLLOUT) != 0)
        hear(members_[i]);
  }

  void hear(Member& member) {
    std::array<char, 4096> room;
    const ssize_t count = receive(member.socket.fd(), room);
    if (count < 0 && is_not_ready(errno)) return;
    if (count <= 0) {
      dismiss(member);
      return;
    }
    std::string_view text(room.data(), static_cast<std::size_t>(count));
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      const std::size_t size = end == text.npos ? text.size() : end + 1;
      const std::size_t whole = member.half_line.size() + size;
      if (end == text.npos ? whole >= longest_line : whole > longest_line) {
        dismiss(member);
        return;
      }
      member.half_line += text.substr(0, size);
      text.remove_prefix(size);
      if (end == text.npos) return;
      tell_others(member);
      member.half_line.clear();
    }
  }

  void tell_others(const Member& speaker) {
    const auto line = log_.insert(log_.end(), Line{speaker.half_line, speaker.number, 1});
    const std::size_t size = line->text.size();
    for (Member& member : members_) {
      if (&member == &speaker || member.is_leaving) continue;
      if (member.waiting + size > most_waiting) {
        const std::size_t before = member.waiting;
        send_waiting(member);
        if (member.waiting == before || member.waiting > 2 * most_waiting) dismiss(member);
        if (member.is_leaving) continue;
      }
      ++line->owed;
      if (member.waiting == 0) {
        member.next = line;
        member.since = now_;
      }
      member.waiting += size;
    }
    pay(line);  // the one that kept it here until now
  }

  Log::iterator pay(Log::iterator line) {
    return --line->owed == 0 ? log_.erase(line) : std::next(line);
  }

  // The first line from `line` on that is owed to the member, while some bytes are.
  Log::iterator owed_from(Log::iterator line, const Member& member) {
    while (line != log_.end() && line->author == member.number) ++line;
    return line;
  }

  // Whoever takes nothing for too long is tried once more before it has to leave.
  void serve(Member& member) {
    send_waiting(member);
    if (!member.is_leaving && member.waiting > 0 && member.since + patience_ <= now_)
      dismiss(member);
  }

  void send_waiting(Member& member) {
    while (member.waiting > 0) {
      std::array<iovec, 32> parts;
      std::size_t count = 0;
      std::size_t left = member.waiting;
      std::size_t skip = member.taken;
      for (auto line = member.next; left > 0 && count < parts.size();
           line = owed_from(std::next(line), member)) {
        parts[count] = {line->text.data() + skip, line->text.size() - skip};
        left -= parts[count++].iov_len;
        skip = 0;
      }
      msghdr message{};
      message.msg_iov = parts.data();
      message.msg_iovlen = count;
      const ssize_t sent = sendmsg(member.socket.fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && is_not_ready(errno)) return;
      if (sent < 0) {
        dismiss(member);
        return;
      }
      member.since = now_;
      member.waiting -= static_cast<std::size_t>(sent);
      member.taken += static_cast<std::size_t>(sent);
      while (member.taken > 0 && member.taken >= member.next->text.size()) {
        member.taken -= member.next->text.size();
        member.next = owed_from(pay(member.next), member);
      }
    }
    member.next = log_.end();
  }

  // Marks only: entry i of watched_ belongs to member i until the wake-up is over.
  void dismiss(Member& member) {
    while (member.waiting > 0) {
      member.waiting -= member.next->text.size() - member.taken;
      member.taken = 0;
      member.next = owed_from(pay(member.next), member);
    }
    member.next = log_.end();
    member.is_leaving = true;
    Counters::count(counters.closed);
  }

  static constexpr std::size_t listener_entry = 1;
  static constexpr std::size_t first_member = 2;

  const Clock::duration patience_;
  const int stop_descriptor_ = install_signal_handlers();
  Acceptor acceptor_;
  Log log_;
  std::vector<Member> members_;
  std::vector<pollfd> watched_;
  std::uint64_t last_number_ = 0;
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
