// acceptor.hpp — the listener, and what to do when a client cannot be accepted.
//
// Gives: the next client, or nobody; a pause when descriptors or memory run out. The backlog
//        stays readable meanwhile, so a loop that went on watching it would spin: the pause says
//        for how long not to.
// Do:    watch fd() only while is_accepting(); wake up at resumes_at() if paused.
#pragma once

#include <optional>

#include "common/socket.hpp"
#include "common/wait.hpp"

namespace two_ways {

class Acceptor {
 public:
  // Takes the listener over. Accepted sockets are blocking or not, as told.
  Acceptor(Descriptor listener, Blocking blocking)
      : listener_(std::move(listener)), blocking_(blocking) {}

  int fd() const { return listener_.fd(); }

  // The next client of the backlog, which the caller then owns. Nobody if none waits (errno is
  // EAGAIN then), if the next one has left again (others may wait behind it), or if accepting
  // pauses, as it does when too many in a row are gone: that is no client's doing, and the backlog
  // may stay readable. Throws CallFailed if the listener itself is broken.
  Descriptor next_client(Time now);

  // Where the last client that next_client() has returned comes from.
  const Address& peer() const { return peer_; }

  // No client can be held at the moment (accept or malloc has failed, or a thread): pause.
  void pause(Time now) { resumes_at_ = now + pause_length; }

  bool is_accepting(Time now) const {
    return !is_closed() && (!resumes_at_ || *resumes_at_ <= now);
  }

  // When accepting goes on; nothing unless it pauses.
  std::optional<Time> resumes_at(Time now) const {
    return is_closed() || is_accepting(now) ? std::nullopt : resumes_at_;
  }

  // Accepts nobody any more. Clients left in the backlog are reset by the kernel, unless another
  // process has the listener too.
  void close() { listener_ = Descriptor(); }
  bool is_closed() const { return !listener_; }

 private:
  // Descriptors may come free in another process (ENFILE) or in any of many places here, so we
  // try again now and then instead of being told. Ten tries a second cost nothing.
  static constexpr auto pause_length = std::chrono::milliseconds(100);
  static constexpr int most_lost_in_a_row = 8;

  Descriptor listener_;
  Blocking blocking_;
  int lost_in_a_row_ = 0;
  Address peer_;
  std::optional<Time> resumes_at_;
};

// Answers a client that gets no conversation: sends it `status`, as far as it goes without
// waiting, and closes.
void reject(Descriptor client, int status);

}  // namespace two_ways
