// timeouts, otherwise: no deadline is kept. A map from descriptors to clients; each client
// remembers when something last happened to it, and a sweep every 40 ms, if anybody is there, asks
// how long ago that was. Answers are counted in windows: 16 KiB in each, or it is over. The sockets
// block, and every call on them says MSG_DONTWAIT. pselect takes the place of select.
#include <sys/select.h>
#include <sys/socket.h>

#include <cerrno>
#include <ctime>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "common/counters.hpp"
#include "common/exchange.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"
#include "common/surroundings.hpp"

namespace {

double clock_seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Peer {
  Descriptor socket;
  Exchange exchange;
  double silent_since = 0;
  double request_since = -1;  // < 0: not inside a request
  double window_since = -1;   // < 0: nothing waits to be sent
  std::size_t in_window = 0;
  double half_closed_since = -1;
};

class Loop {
 public:
  explicit Loop(const Options& options)
      : idle_(options.idle_limit.count()),
        request_(options.request_limit ? options.request_limit->count() : idle_),
        answer_(options.answer_limit ? options.answer_limit->count() : idle_),
        listener_(open_listener(options)),
        stop_(install_signal_handlers()) {
    announce(listener_.fd());
  }

  void run() {
    for (;;) {
      fd_set in;
      fd_set out;
      FD_ZERO(&in);
      FD_ZERO(&out);
      int top = -1;
      const bool stopping = stop_requested();
      if (stopping && peers_.empty()) break;
      if (stopping) listener_ = Descriptor();
      const bool accepts = !stopping && clock_seconds() >= accepts_again_;
      if (!stopping) FD_SET(stop_, &in), top = stop_;
      if (accepts) FD_SET(listener_.fd(), &in), top = std::max(top, listener_.fd());
      for (auto& [fd, peer] : peers_) {
        FD_SET(fd, peer.window_since >= 0 ? &out : &in);
        top = std::max(top, fd);
      }
      const timespec tick{0, 40'000'000};
      const bool needs_tick = !peers_.empty() || (!stopping && !accepts);
      const int n = pselect(top + 1, &in, &out, nullptr, needs_tick ? &tick : nullptr, nullptr);
      if (n < 0 && errno != EINTR) throw std::runtime_error("pselect failed");
      Counters::count(counters.wakeups);
      std::set<int> gone;
      if (n > 0)
        for (auto& [fd, peer] : peers_)
          if ((FD_ISSET(fd, &in) || FD_ISSET(fd, &out)) && !turn(peer)) gone.insert(fd);
      const double now = clock_seconds();
      for (auto& [fd, peer] : peers_)
        if (gone.count(fd) == 0 && is_overdue(peer, now)) gone.insert(fd);
      if (stop_requested())
        for (auto& [fd, peer] : peers_)
          if (gone.count(fd) == 0 && peer.window_since < 0 && !turn(peer)) gone.insert(fd);
      for (const int fd : gone) peers_.erase(fd), Counters::count(counters.closed);
      if (n > 0 && accepts && FD_ISSET(listener_.fd(), &in)) welcome();
    }
  }

 private:
  void welcome() {
    for (int i = 0; i < 10; ++i) {
      Descriptor socket = accept_client(listener_.fd(), Blocking::yes);
      if (!socket) {
        if (is_exhaustion(errno)) accepts_again_ = clock_seconds() + 0.1;
        return;
      }
      const int fd = socket.fd();
      if (fd >= int{FD_SETSIZE}) {
        const std::string text = "no room\n";
        const std::string answer =
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: " +
            std::to_string(text.size()) + "\r\n\r\n" + text;
        (void)send(fd, answer.data(), answer.size(), MSG_DONTWAIT);
        char room[2048];
        shutdown(fd, SHUT_WR);
        (void)recv(fd, room, sizeof room, MSG_DONTWAIT);
        continue;
      }
      peers_.emplace(fd, Peer{std::move(socket), Exchange(surroundings_.bench), clock_seconds()});
      Counters::count(counters.accepted);
    }
  }

  bool turn(Peer& peer) {
    peer.exchange.take_up();
    const bool stays = peer.window_since >= 0 ? push(peer) : pull(peer);
    peer.exchange.stow();
    return stays;
  }

  bool pull(Peer& peer) {
    const auto room = peer.exchange.room();
    const ssize_t n = recv(peer.socket.fd(), room.data(), room.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return !stop_requested();
    if (n <= 0) return false;
    if (peer.half_closed_since >= 0) return !stop_requested();
    if (peer.request_since < 0) peer.request_since = clock_seconds();
    peer.exchange.received(static_cast<std::size_t>(n));
    return push(peer);
  }

  bool push(Peer& peer) {
    for (;;) {
      while (const Request* request = peer.exchange.next_request())
        peer.exchange.answer(asks_backend(*request) ? no_backend() : answer_to(*request));
      if (!peer.exchange.has_outgoing()) {
        const double now = clock_seconds();
        if (!peer.exchange.is_inside_request()) {
          peer.request_since = -1;
          peer.silent_since = now;
        } else if (peer.window_since >= 0) {
          peer.request_since = now;
        }
        peer.window_since = -1;
        return true;
      }
      if (peer.window_since < 0) peer.window_since = clock_seconds(), peer.in_window = 0;
      const std::string_view bytes = peer.exchange.outgoing();
      const ssize_t n = send(peer.socket.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      peer.exchange.sent(static_cast<std::size_t>(n));
      peer.in_window += static_cast<std::size_t>(n);
      if (peer.exchange.has_outgoing()) continue;
      peer.window_since = clock_seconds();
      peer.in_window = 0;
      if (!peer.exchange.is_closing()) continue;
      peer.window_since = -1;
      peer.half_closed_since = clock_seconds();
      return peer.exchange.should_linger() && shutdown(peer.socket.fd(), SHUT_WR) == 0;
    }
  }

  bool is_overdue(Peer& peer, double now) {
    if (peer.half_closed_since >= 0) return now - peer.half_closed_since > 1;
    if (peer.window_since >= 0) {
      if (now - peer.window_since < answer_) return false;
      if (peer.in_window < 16 * 1024) return true;
      peer.window_since = now;
      peer.in_window = 0;
      return false;
    }
    if (peer.request_since >= 0) {
      if (now - peer.request_since < request_) return false;
      peer.exchange.take_up();
      peer.exchange.refuse(408);
      const bool stays = push(peer);
      peer.exchange.stow();
      return !stays;
    }
    return now - peer.silent_since >= idle_;
  }

  const double idle_;
  const double request_;
  const double answer_;
  Descriptor listener_;
  const int stop_;
  double accepts_again_ = 0;
  Surroundings surroundings_{0};
  std::map<int, Peer> peers_;
};

void run_server(int argc, char** argv) {
  Loop loop(read_options(argc, argv, "apbtroh", "Clients are asked how long ago it was."));
  loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
