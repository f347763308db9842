// model_test.cpp — does the model of kqueue do what kqueue(2) says? And does our ReadyQueue?
//
// The model is single-threaded, and so are these cases: a state is made first, then looked at.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/socket.hpp"
#include "nonblocking/ready_queue.hpp"

namespace {

constexpr timespec at_once{0, 0};

struct Pair {
  Descriptor ours;
  Descriptor theirs;
};

Pair socket_pair() {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

Pair pipe_pair() {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

Descriptor loopback_listener() {
  return listen_on("127.0.0.1", 0);
}

std::uint16_t port_of(int socket) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  REQUIRE(getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

// Two ends of a TCP connection; ours is the accepted one.
Pair tcp_pair() {
  const Descriptor listener = loopback_listener();
  Descriptor theirs = connect_blocking(port_of(listener.fd()), std::chrono::seconds(5));
  REQUIRE(theirs);
  Descriptor ours = accept_client(listener.fd(), Blocking::no);
  REQUIRE(ours);
  return {std::move(ours), std::move(theirs)};
}

void put(int socket, std::string_view bytes) {
  REQUIRE(write(socket, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

void close_with_reset(Descriptor socket) {
  const linger at_once_and_hard{1, 0};
  REQUIRE(setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &at_once_and_hard,
                     sizeof at_once_and_hard) == 0);
}

struct kevent change_for(int descriptor, int16_t filter, int flags, void* owner = nullptr) {
  struct kevent change;
  EV_SET(&change, static_cast<uintptr_t>(descriptor), filter, static_cast<uint16_t>(flags), 0, 0,
         owner);
  return change;
}

struct kevent user_change(uintptr_t number, int flags, uint32_t notes = 0) {
  struct kevent change;
  EV_SET(&change, number, EVFILT_USER, static_cast<uint16_t>(flags), notes, 0, nullptr);
  return change;
}

struct kevent timer_change(uintptr_t number, int flags, uint32_t unit, intptr_t count) {
  struct kevent change;
  EV_SET(&change, number, EVFILT_TIMER, static_cast<uint16_t>(flags), unit, count, nullptr);
  return change;
}

// A queue, and kevent(2) with fewer arguments.
struct Model {
  Descriptor queue{kqueue()};

  // The errno value of a change made with no room for events, or 0.
  int change(const struct kevent& change) const {
    return kevent(queue.fd(), &change, 1, nullptr, 0, nullptr) == 0 ? 0 : errno;
  }

  // What is ready now, or becomes so within the limit.
  std::vector<struct kevent> ready(const timespec& limit = at_once, int room = 16) const {
    std::vector<struct kevent> events(static_cast<std::size_t>(room));
    const int count = kevent(queue.fd(), nullptr, 0, events.data(), room, &limit);
    REQUIRE(count >= 0);
    events.resize(static_cast<std::size_t>(count));
    return events;
  }

  std::vector<struct kevent> ready_soon() const { return ready({5, 0}); }
};

// A signal each ten milliseconds: the first may come before the wait has begun.
class Alarms {
 public:
  Alarms() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    REQUIRE(sigaction(SIGALRM, &action, &before_) == 0);
    set_interval(10'000);
  }
  Alarms(const Alarms&) = delete;
  Alarms& operator=(const Alarms&) = delete;
  ~Alarms() {
    set_interval(0);
    (void)sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  static void set_interval(suseconds_t microseconds) {
    const itimerval interval{{0, microseconds}, {0, microseconds}};
    (void)setitimer(ITIMER_REAL, &interval, nullptr);
  }

  struct sigaction before_ {};
};

}  // namespace

TEST_CASE("a queue is a descriptor") {
  const Model model;
  CHECK(model.queue.fd() >= 0);
  CHECK(model.ready().empty());
}

TEST_CASE("kevent on what is no queue is EBADF") {
  const Pair pipe = pipe_pair();
  CHECK(kevent(pipe.ours.fd(), nullptr, 0, nullptr, 0, nullptr) == -1);
  CHECK(errno == EBADF);
  int closed = -1;
  {
    const Model model;
    closed = model.queue.fd();
  }
  CHECK(kevent(closed, nullptr, 0, nullptr, 0, nullptr) == -1);
  CHECK(errno == EBADF);
}

TEST_CASE("reading is level-triggered, and data counts the unread bytes") {
  for (const bool tcp : {false, true}) {
    const Pair pair = tcp ? tcp_pair() : socket_pair();
    const Model model;
    int owner = 0;
    REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_ADD, &owner)) == 0);
    CHECK(model.ready().empty());

    put(pair.theirs.fd(), "hello");
    for (int i = 0; i < 3; ++i) {
      const auto events = model.ready_soon();
      REQUIRE(events.size() == 1);
      CHECK(events[0].ident == static_cast<uintptr_t>(pair.ours.fd()));
      CHECK(events[0].filter == EVFILT_READ);
      CHECK(events[0].data == 5);
      CHECK(events[0].flags == 0);
      CHECK(events[0].udata == &owner);
    }
    std::array<char, 5> room;
    REQUIRE(receive(pair.ours.fd(), room) == 5);
    CHECK(model.ready().empty());
  }
}

TEST_CASE("a condition from before the registration counts") {
  const Pair pair = socket_pair();
  put(pair.theirs.fd(), "early");
  const Model model;
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_ADD)) == 0);
  CHECK(model.ready().size() == 1);
}

TEST_CASE("reading and writing are two registrations with an owner each") {
  const Pair pair = socket_pair();
  const Model model;
  int reader = 0;
  int writer = 0;
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_ADD, &reader)) == 0);
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_WRITE, EV_ADD, &writer)) == 0);
  auto events = model.ready();
  REQUIRE(events.size() == 1);
  CHECK(events[0].filter == EVFILT_WRITE);
  CHECK(events[0].udata == &writer);
  CHECK(events[0].data > 0);

  put(pair.theirs.fd(), "x");
  events = model.ready();
  REQUIRE(events.size() == 2);
  CHECK(events[0].udata != events[1].udata);

  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_WRITE, EV_DELETE)) == 0);
  events = model.ready();
  REQUIRE(events.size() == 1);
  CHECK(events[0].udata == &reader);
}

TEST_CASE("a full send buffer is not writable until it is read") {
  const Pair pair = tcp_pair();
  const Model model;
  const std::string much(65536, 'x');
  while (send_some(pair.ours.fd(), much) > 0) continue;
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_WRITE, EV_ADD)) == 0);
  CHECK(model.ready().empty());
  std::string room(1 << 20, ' ');
  bool is_writable = false;
  for (int i = 0; i < 1000 && !is_writable; ++i) {
    REQUIRE(read(pair.theirs.fd(), room.data(), room.size()) > 0);
    is_writable = !model.ready().empty();
  }
  CHECK(is_writable);
}

TEST_CASE("EV_EOF comes together with the bytes that are still unread") {
  for (const bool tcp : {false, true}) {
    const Pair pair = tcp ? tcp_pair() : socket_pair();
    const Model model;
    put(pair.theirs.fd(), "last words");
    REQUIRE(shutdown(pair.theirs.fd(), SHUT_WR) == 0);
    REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_ADD)) == 0);
    auto events = model.ready_soon();
    REQUIRE(events.size() == 1);
    CHECK((events[0].flags & EV_EOF) != 0);
    CHECK(events[0].data == 10);

    std::array<char, 10> room;
    REQUIRE(receive(pair.ours.fd(), room) == 10);
    events = model.ready();
    REQUIRE(events.size() == 1);  // the end of the stream stays ready
    CHECK((events[0].flags & EV_EOF) != 0);
    CHECK(events[0].data == 0);
  }
}

TEST_CASE("a pipe's end is EV_EOF on either side") {
  Pair pipe = pipe_pair();
  const Model model;
  REQUIRE(model.change(change_for(pipe.ours.fd(), EVFILT_READ, EV_ADD)) == 0);
  put(pipe.theirs.fd(), "abc");
  pipe.theirs = Descriptor();
  const auto events = model.ready();
  REQUIRE(events.size() == 1);
  CHECK((events[0].flags & EV_EOF) != 0);
  CHECK(events[0].data == 3);

  Pair other = pipe_pair();
  const Model second;
  REQUIRE(second.change(change_for(other.theirs.fd(), EVFILT_WRITE, EV_ADD)) == 0);
  REQUIRE(second.ready().size() == 1);
  CHECK((second.ready()[0].flags & EV_EOF) == 0);
  other.ours = Descriptor();
  REQUIRE(second.ready().size() == 1);
  CHECK((second.ready()[0].flags & EV_EOF) != 0);
}

TEST_CASE("the peer's half-close leaves our sending side alive") {
  const Pair pair = tcp_pair();
  const Model model;
  REQUIRE(shutdown(pair.theirs.fd(), SHUT_WR) == 0);
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_ADD)) == 0);
  REQUIRE(model.ready_soon().size() == 1);
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_DELETE)) == 0);
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_WRITE, EV_ADD)) == 0);
  const auto events = model.ready();
  REQUIRE(events.size() == 1);
  CHECK((events[0].flags & EV_EOF) == 0);
}

TEST_CASE("a dead sending side is EV_EOF on the write filter") {
  SUBCASE("by the peer's reset") {
    Pair pair = tcp_pair();
    const Model model;
    REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_ADD)) == 0);
    close_with_reset(std::move(pair.theirs));
    REQUIRE(model.ready_soon().size() == 1);
    REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_WRITE, EV_ADD)) == 0);
    const auto events = model.ready();
    REQUIRE(events.size() == 2);
    for (const auto& event : events) {
      CHECK((event.flags & EV_EOF) != 0);
      CHECK(event.fflags == 0);
    }
  }
  SUBCASE("by our own shutdown") {
    const Pair pair = tcp_pair();
    const Model model;
    REQUIRE(shutdown(pair.ours.fd(), SHUT_WR) == 0);
    REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_WRITE, EV_ADD)) == 0);
    const auto events = model.ready();
    REQUIRE(events.size() == 1);
    CHECK((events[0].flags & EV_EOF) != 0);
  }
  SUBCASE("by a refused connection") {
    std::uint16_t port = 0;
    {
      const Descriptor listener = loopback_listener();
      port = port_of(listener.fd());
    }
    const Descriptor refused = start_connecting(port);
    if (!refused) return;  // refused at once, which is allowed
    const Model model;
    REQUIRE(model.change(change_for(refused.fd(), EVFILT_WRITE, EV_ADD)) == 0);
    const auto events = model.ready_soon();
    REQUIRE(events.size() == 1);
    CHECK((events[0].flags & EV_EOF) != 0);
    CHECK(send_some(refused.fd(), "x") == -1);
    CHECK(errno == ECONNREFUSED);
  }
}

TEST_CASE("a listener is readable while somebody waits, and data counts them") {
  const Descriptor listener = loopback_listener();
  const Model model;
  REQUIRE(model.change(change_for(listener.fd(), EVFILT_READ, EV_ADD)) == 0);
  CHECK(model.ready().empty());
  const Descriptor first = start_connecting(port_of(listener.fd()));
  const Descriptor second = start_connecting(port_of(listener.fd()));
  const auto events = model.ready_soon();
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 2);
  CHECK((events[0].flags & EV_EOF) == 0);
}

TEST_CASE("errors without room for events are in errno, and stop the list") {
  const Pair pair = socket_pair();
  const Model model;
  const int fd = pair.ours.fd();
  CHECK(model.change(change_for(fd, EVFILT_READ, EV_DELETE)) == ENOENT);
  CHECK(model.change(change_for(fd, EVFILT_READ, EV_ENABLE)) == ENOENT);
  CHECK(model.change(change_for(-1, EVFILT_READ, EV_ADD)) == EBADF);
  CHECK(model.change(change_for(1000, EVFILT_READ, EV_ADD)) == EBADF);
  CHECK(model.change(change_for(1000, EVFILT_READ, EV_DELETE)) == EBADF);
  CHECK(model.change(change_for(fd, 0, EV_ADD)) == EINVAL);
  CHECK(model.change(change_for(fd, 1, EV_ADD)) == EINVAL);
  CHECK(model.change(change_for(fd, -100, EV_ADD)) == EINVAL);
  CHECK(model.change(change_for(fd, EVFILT_READ, EV_ADD | EV_ENABLE | EV_DISABLE)) == EINVAL);

  const struct kevent changes[] = {change_for(fd, EVFILT_READ, EV_DELETE),
                                   change_for(fd, EVFILT_WRITE, EV_ADD)};
  CHECK(kevent(model.queue.fd(), changes, 2, nullptr, 0, nullptr) == -1);
  CHECK(errno == ENOENT);
  CHECK(model.ready().empty());  // the second has not been applied
}

TEST_CASE("errors with room for events are events, and nothing else is reported then") {
  const Pair pair = socket_pair();
  const Model model;
  const int fd = pair.ours.fd();
  int owner = 0;
  std::array<struct kevent, 3> list = {change_for(fd, EVFILT_READ, EV_DELETE, &owner),
                                       change_for(fd, EVFILT_WRITE, EV_ADD),
                                       change_for(1000, EVFILT_WRITE, EV_ADD)};
  // The same array for both.
  REQUIRE(kevent(model.queue.fd(), list.data(), 3, list.data(), 3, nullptr) == 2);
  CHECK(list[0].flags == EV_ERROR);
  CHECK(list[0].data == ENOENT);
  CHECK(list[0].udata == &owner);
  CHECK(list[1].flags == EV_ERROR);
  CHECK(list[1].data == EBADF);
  CHECK(list[1].ident == 1000);
  CHECK(model.ready().size() == 1);  // the one in the middle has been applied
}

TEST_CASE("EV_RECEIPT reports each change, and drains nothing") {
  const Pair pair = socket_pair();
  const Model model;
  const int fd = pair.ours.fd();
  put(pair.theirs.fd(), "x");
  const std::array<struct kevent, 2> changes = {
      change_for(fd, EVFILT_READ, EV_ADD | EV_RECEIPT),
      change_for(fd, EVFILT_WRITE, EV_DELETE | EV_RECEIPT)};
  std::array<struct kevent, 8> events;
  REQUIRE(kevent(model.queue.fd(), changes.data(), 2, events.data(), 8, nullptr) == 2);
  CHECK(events[0].flags == EV_ERROR);
  CHECK(events[0].data == 0);
  CHECK(events[1].flags == EV_ERROR);
  CHECK(events[1].data == ENOENT);
  CHECK(model.ready().size() == 1);
}

TEST_CASE("EV_RECEIPT without room leaves later changes undone") {
  const Pair pair = socket_pair();
  const Model model;
  const int fd = pair.ours.fd();
  const std::array<struct kevent, 2> changes = {change_for(fd, EVFILT_READ, EV_ADD | EV_RECEIPT),
                                                change_for(fd, EVFILT_WRITE, EV_ADD)};
  CHECK(kevent(model.queue.fd(), changes.data(), 2, nullptr, 0, nullptr) == 0);
  CHECK(model.ready().empty());
}

TEST_CASE("a time limit that is none is EINVAL") {
  const Model model;
  struct kevent event;
  for (const timespec& limit : {timespec{-1, 0}, timespec{0, -1}, timespec{0, 1'000'000'000}}) {
    CHECK(kevent(model.queue.fd(), nullptr, 0, &event, 1, &limit) == -1);
    CHECK(errno == EINVAL);
  }
}

TEST_CASE("with room for no events, kevent does not wait") {
  const Model model;
  CHECK(kevent(model.queue.fd(), nullptr, 0, nullptr, 0, nullptr) == 0);
}

TEST_CASE("a limit that runs out is no event, and not early") {
  const Model model;
  const auto before = std::chrono::steady_clock::now();
  CHECK(model.ready({0, 20'000'000}).empty());
  CHECK(std::chrono::steady_clock::now() - before >= std::chrono::milliseconds(20));
}

TEST_CASE("a signal ends the wait with EINTR, after the changes") {
  const Pair pair = socket_pair();
  const Model model;
  const struct kevent change = change_for(pair.ours.fd(), EVFILT_READ, EV_ADD);
  struct kevent event;
  {
    const Alarms alarms;
    CHECK(kevent(model.queue.fd(), &change, 1, &event, 1, nullptr) == -1);
    CHECK(errno == EINTR);
  }
  put(pair.theirs.fd(), "x");
  CHECK(model.ready().size() == 1);
}

TEST_CASE("EV_ONESHOT reports once and is gone") {
  const Pair pair = socket_pair();
  const Model model;
  put(pair.theirs.fd(), "x");
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_ADD | EV_ONESHOT)) == 0);
  CHECK(model.ready().size() == 1);
  CHECK(model.ready().empty());
  CHECK(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_DELETE)) == ENOENT);
}

TEST_CASE("EV_DISPATCH reports once and is asleep until it is enabled") {
  const Pair pair = socket_pair();
  const Model model;
  const int fd = pair.ours.fd();
  put(pair.theirs.fd(), "x");
  REQUIRE(model.change(change_for(fd, EVFILT_READ, EV_ADD | EV_DISPATCH)) == 0);
  CHECK(model.ready().size() == 1);
  CHECK(model.ready().empty());
  REQUIRE(model.change(change_for(fd, EVFILT_READ, EV_ENABLE)) == 0);
  CHECK(model.ready().size() == 1);
  CHECK(model.ready().empty());
  CHECK(model.change(change_for(fd, EVFILT_READ, EV_DELETE)) == 0);
}

TEST_CASE("EV_DISABLE silences; EV_ENABLE and EV_ADD end the silence") {
  const Pair pair = socket_pair();
  const Model model;
  const int fd = pair.ours.fd();
  put(pair.theirs.fd(), "x");
  REQUIRE(model.change(change_for(fd, EVFILT_READ, EV_ADD | EV_DISABLE)) == 0);
  CHECK(model.ready().empty());
  REQUIRE(model.change(change_for(fd, EVFILT_READ, EV_ENABLE)) == 0);
  CHECK(model.ready().size() == 1);
  REQUIRE(model.change(change_for(fd, EVFILT_READ, EV_DISABLE)) == 0);
  CHECK(model.ready().empty());
  REQUIRE(model.change(change_for(fd, EVFILT_READ, EV_ADD)) == 0);
  CHECK(model.ready().size() == 1);
}

TEST_CASE("adding again changes the owner and makes no second registration") {
  const Pair pair = socket_pair();
  const Model model;
  int first = 0;
  int second = 0;
  put(pair.theirs.fd(), "x");
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_ADD, &first)) == 0);
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_ADD, &second)) == 0);
  const auto events = model.ready();
  REQUIRE(events.size() == 1);
  CHECK(events[0].udata == &second);
}

TEST_CASE("registrations end with their descriptor, whoever gets its number") {
  const Model model;
  for (const bool by_duplicate : {false, true}) {
    Pair first = socket_pair();
    Pair second = socket_pair();
    const int number = first.ours.fd();
    put(second.theirs.fd(), "x");
    REQUIRE(model.change(change_for(number, EVFILT_READ, EV_ADD)) == 0);
    if (!by_duplicate) first.ours = Descriptor();
    REQUIRE(dup2(second.ours.fd(), number) == number);
    if (!by_duplicate) first.ours = Descriptor(number);
    CHECK(model.ready().empty());
    CHECK(model.change(change_for(number, EVFILT_READ, EV_DELETE)) == ENOENT);
  }
}

TEST_CASE("a registration does not end while another descriptor of the socket is closed") {
  const Pair pair = socket_pair();
  const Model model;
  put(pair.theirs.fd(), "x");
  REQUIRE(model.change(change_for(pair.ours.fd(), EVFILT_READ, EV_ADD)) == 0);
  { const Descriptor copy(dup(pair.ours.fd())); }
  CHECK(model.ready().size() == 1);
}

TEST_CASE("a queue is not inherited across fork") {
  const Model model;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const bool is_gone = kevent(model.queue.fd(), nullptr, 0, nullptr, 0, nullptr) == -1 &&
                         errno == EBADF && fcntl(model.queue.fd(), F_GETFD) == -1;
    _exit(is_gone ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(model.ready().empty());
}

TEST_CASE("of more ready events than fit, the others come next") {
  const Model model;
  std::vector<Pair> pairs;
  for (int i = 0; i < 5; ++i) {
    pairs.push_back(socket_pair());
    put(pairs.back().theirs.fd(), "x");
    REQUIRE(model.change(change_for(pairs.back().ours.fd(), EVFILT_READ, EV_ADD)) == 0);
  }
  std::set<uintptr_t> seen;
  for (int i = 0; i < 3; ++i)
    for (const auto& event : model.ready(at_once, 2)) seen.insert(event.ident);
  CHECK(seen.size() == 5);
}

TEST_CASE("user events are triggered by hand") {
  const Model model;
  REQUIRE(model.change(user_change(7, EV_ADD)) == 0);
  CHECK(model.ready().empty());
  REQUIRE(model.change(user_change(7, 0, NOTE_TRIGGER | NOTE_FFCOPY | 5)) == 0);
  REQUIRE(model.change(user_change(7, 0, NOTE_FFOR | 2)) == 0);
  for (int i = 0; i < 2; ++i) {  // stays triggered
    const auto events = model.ready();
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == 7);
    CHECK(events[0].filter == EVFILT_USER);
    CHECK(events[0].fflags == 7);
  }
  REQUIRE(model.change(user_change(7, 0, NOTE_FFAND | 3)) == 0);
  CHECK(model.ready()[0].fflags == 3);
  REQUIRE(model.change(user_change(7, EV_DELETE)) == 0);
  CHECK(model.ready().empty());
  CHECK(model.change(user_change(7, 0, NOTE_TRIGGER)) == ENOENT);
}

TEST_CASE("a user event with EV_CLEAR is reported once for each trigger") {
  const Model model;
  REQUIRE(model.change(user_change(7, EV_ADD | EV_CLEAR)) == 0);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(model.change(user_change(7, 0, NOTE_TRIGGER)) == 0);
    REQUIRE(model.change(user_change(7, 0, NOTE_TRIGGER)) == 0);
    CHECK(model.ready().size() == 1);
    CHECK(model.ready().empty());
  }
}

TEST_CASE("a timer comes again and again, and data counts how often it has come") {
  const Model model;
  REQUIRE(model.change(timer_change(1, EV_ADD, NOTE_USECONDS, 2'000)) == 0);
  const auto before = std::chrono::steady_clock::now();
  std::intptr_t times = 0;
  while (times < 10) {
    const auto events = model.ready_soon();
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == 1);
    CHECK(events[0].data >= 1);
    times += events[0].data;
  }
  const auto passed = std::chrono::steady_clock::now() - before;
  CHECK(passed >= std::chrono::milliseconds(18));  // it was started a little before
  REQUIRE(model.change(timer_change(1, EV_DELETE, 0, 0)) == 0);
  CHECK(model.ready({0, 10'000'000}).empty());
}

TEST_CASE("timers: one shot, milliseconds by default, started anew when added again") {
  const Model model;
  REQUIRE(model.change(timer_change(1, EV_ADD | EV_ONESHOT, 0, 3'600'000)) == 0);
  CHECK(model.ready().empty());
  REQUIRE(model.change(timer_change(1, EV_ADD | EV_ONESHOT, 0, 1)) == 0);
  const auto events = model.ready_soon();
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 1);
  CHECK(model.change(timer_change(1, EV_DELETE, 0, 0)) == ENOENT);
  CHECK(model.change(timer_change(1, EV_ADD, 0, -1)) == EINVAL);
}

TEST_CASE("what is not modelled is refused") {
  const Pair pair = socket_pair();
  const Model model;
  const int fd = pair.ours.fd();
  CHECK(model.change(change_for(fd, EVFILT_READ, EV_ADD | EV_CLEAR)) == ENOTSUP);
  CHECK(model.change(change_for(fd, EVFILT_READ, EV_ADD | EV_DELETE)) == ENOTSUP);
  CHECK(model.change(change_for(fd, EVFILT_READ, EV_ADD | 0x0100)) == ENOTSUP);
  struct kevent low_water = change_for(fd, EVFILT_READ, EV_ADD);
  low_water.fflags = 1;
  CHECK(model.change(low_water) == ENOTSUP);
  CHECK(model.change(timer_change(1, EV_ADD, 0, 0)) == ENOTSUP);
  CHECK(model.change(timer_change(1, EV_ADD, 0x10, 5)) == ENOTSUP);
  const Descriptor file(open("/dev/null", O_RDONLY));
  CHECK(model.change(change_for(file.fd(), EVFILT_READ, EV_ADD)) == ENOTSUP);
  REQUIRE(model.change(change_for(fd, EVFILT_READ, EV_ADD)) == 0);
  CHECK(model.change(change_for(fd, EVFILT_READ, EV_ADD | EV_ONESHOT)) == ENOTSUP);
}

// -- ReadyQueue over the model --

TEST_CASE("ReadyQueue: one wait, one owner") {
  const Pair pair = socket_pair();
  ReadyQueue queue;
  int owner = 0;
  const Wait read_wait{pair.ours.fd(), Until::readable};
  const Wait write_wait{pair.ours.fd(), Until::writable};
  REQUIRE(queue.watch(read_wait, &owner));
  CHECK(queue.wait(0).empty());
  REQUIRE(queue.change(read_wait, write_wait, &owner));
  REQUIRE(queue.wait(-1).size() == 1);
  CHECK(queue.wait(-1)[0] == &owner);
  put(pair.theirs.fd(), "x");
  CHECK(queue.wait(-1).size() == 1);  // not two: it is no longer watched for reading
  REQUIRE(queue.change(write_wait, read_wait, &owner));
  CHECK(queue.wait(-1).size() == 1);
  queue.forget(read_wait);
  CHECK(queue.wait(0).empty());
  queue.forget(read_wait);  // forgotten already
}

TEST_CASE("ReadyQueue: a watch that cannot be is false with errno") {
  ReadyQueue queue;
  int owner = 0;
  CHECK_FALSE(queue.watch({1000, Until::readable}, &owner));
  CHECK(errno == EBADF);
  const Pair pair = socket_pair();
  CHECK_FALSE(
      queue.change({pair.ours.fd(), Until::writable}, {pair.ours.fd(), Until::readable}, &owner));
  CHECK(errno == ENOENT);
}

TEST_CASE("ReadyQueue: a limit below a second, and one above") {
  ReadyQueue queue;
  const auto before = std::chrono::steady_clock::now();
  CHECK(queue.wait(15).empty());
  CHECK(std::chrono::steady_clock::now() - before >= std::chrono::milliseconds(15));
  const Pair pair = socket_pair();
  int owner = 0;
  REQUIRE(queue.watch({pair.ours.fd(), Until::writable}, &owner));
  CHECK(queue.wait(3'600'000).size() == 1);
}

TEST_CASE("ReadyQueue: a signal ends the wait, and nothing is ready") {
  ReadyQueue queue;
  const Alarms alarms;
  CHECK(queue.wait(-1).empty());
}
