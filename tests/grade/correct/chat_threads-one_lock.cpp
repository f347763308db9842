// chat_threads-one_lock.cpp — a correct room: one detached thread for each member, which waits in
// poll(2) for its socket and for a pipe that wakes it; one lock for everything, and sends that do
// not wait (MSG_DONTWAIT) made while it is held.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_set>

#include "common/acceptor.hpp"
#include "common/error.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

namespace {

constexpr const char* purpose = "A room in which each line reaches all the others.";

struct Guest {
  Descriptor socket;
  Descriptor wake;    // its thread looks at this end
  Descriptor waking;  // and whoever has left lines for it writes to this one
  std::deque<std::string> queue = {};
  std::size_t queued = 0;  // bytes
  bool out = false;
};

std::mutex everything;
std::condition_variable somebody_left;
std::unordered_set<Guest*> guests;
std::size_t running = 0;

void wake_up(const Guest& guest) {
  [[maybe_unused]] const ssize_t written = write(guest.waking.fd(), "", 1);
}

// With the lock. As much of the queue as the kernel takes.
void flush(Guest& guest) {
  while (!guest.queue.empty() && !guest.out) {
    std::string& line = guest.queue.front();
    const ssize_t count = send(guest.socket.fd(), line.data(), line.size(), MSG_DONTWAIT);
    if (count < 0 && is_not_ready(errno)) return;
    if (count < 0) {
      guest.out = true;
      return;
    }
    guest.queued -= static_cast<std::size_t>(count);
    line.erase(0, static_cast<std::size_t>(count));
    if (line.empty()) guest.queue.pop_front();
  }
}

void say(const Guest& speaker, const std::string& line) {
  const std::lock_guard lock(everything);
  for (Guest* guest : guests) {
    if (guest == &speaker || guest->out) continue;
    const bool was_empty = guest->queue.empty();
    guest->queue.push_back(line);
    guest->queued += line.size();
    flush(*guest);
    if (guest->queued > 65536) guest->out = true;
    if (guest->out || (was_empty && !guest->queue.empty())) wake_up(*guest);
  }
}

// One line at a time. False when it is too long.
bool take_in(Guest& guest, std::string& line, const char* bytes, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    line += bytes[i];
    if (bytes[i] == '\n') {
      if (line.size() > 1024) return false;
      say(guest, line);
      line.clear();
    } else if (line.size() >= 1024) {
      return false;
    }
  }
  return true;
}

// False when it is over: it has left, was too slow, or the room closes and nothing waits.
bool one_turn(Guest& guest, std::string& line, Time& moved, Clock::duration limit) {
  std::size_t waiting = 0;
  {
    const std::lock_guard lock(everything);
    if (guest.out) return false;
    waiting = guest.queued;
  }
  if (waiting == 0 && stop_requested()) return false;
  const short wanted =
      static_cast<short>((stop_requested() ? 0 : POLLIN) | (waiting ? POLLOUT : 0));
  pollfd watched[] = {{guest.socket.fd(), wanted, 0}, {guest.wake.fd(), POLLIN, 0}};
  const int timeout = waiting ? milliseconds_until(moved + limit, Clock::now()) : -1;
  const int ready = poll(watched, 2, timeout);
  if (ready < 0) return errno == EINTR;
  if (ready == 0) return false;  // it has taken nothing for the time limit
  if (watched[1].revents != 0) {
    char bytes[64];
    (void)!read(guest.wake.fd(), bytes, sizeof bytes);
    if (waiting == 0) moved = Clock::now();
  }
  if ((watched[0].revents & POLLOUT) != 0) {
    const std::lock_guard lock(everything);
    flush(guest);
    moved = Clock::now();
  }
  if ((watched[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0) return true;
  char bytes[512];
  const ssize_t count = receive(guest.socket.fd(), bytes);
  return count > 0 && take_in(guest, line, bytes, static_cast<std::size_t>(count));
}

void attend(std::unique_ptr<Guest> guest, Clock::duration limit) {
  std::string line;
  Time moved = Clock::now();
  while (one_turn(*guest, line, moved, limit)) {
  }
  const std::lock_guard lock(everything);
  guests.erase(guest.get());
  guest.reset();
  --running;
  somebody_left.notify_all();
}

void welcome(Descriptor socket, Clock::duration limit) {
  int ends[2];
  if (pipe(ends) < 0) return;  // no place for this one
  auto guest =
      std::make_unique<Guest>(Guest{std::move(socket), Descriptor(ends[0]), Descriptor(ends[1])});
  set_nonblocking(ends[0]);
  set_nonblocking(ends[1]);
  const std::lock_guard lock(everything);
  guests.insert(guest.get());
  Guest* const its_place = guest.get();
  ++running;
  try {
    std::thread([limit, its_place] { attend(std::unique_ptr<Guest>(its_place), limit); }).detach();
    (void)guest.release();
  } catch (const std::system_error&) {
    guests.erase(its_place);
    --running;
  }
}

void run_server(int argc, char** argv) {
  const Options options = read_options(argc, argv, "apth", purpose);
  const auto limit = std::chrono::duration_cast<Clock::duration>(options.idle_limit);
  const int stop = install_signal_handlers();
  Acceptor acceptor(open_listener(options), Blocking::yes);
  announce(acceptor.fd());
  while (!stop_requested()) {
    const Time now = Clock::now();
    pollfd watched[] = {{stop, POLLIN, 0},
                        {acceptor.is_accepting(now) ? acceptor.fd() : -1, POLLIN, 0}};
    if (poll(watched, 2, milliseconds_until(acceptor.resumes_at(now), now)) <= 0) continue;
    if (watched[1].revents == 0) continue;
    if (Descriptor socket = acceptor.next_client(Clock::now())) welcome(std::move(socket), limit);
  }
  acceptor.close();
  std::unique_lock lock(everything);
  for (const Guest* guest : guests) wake_up(*guest);
  somebody_left.wait(lock, [] { return running == 0; });
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
