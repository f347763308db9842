// model_test.cpp — does the model of kqueue do what kqueue(2) says, as far as we use it?
//
// The model is single-threaded, and so are these cases: a state is made first, then looked at. The
// cases of tests/unit/ready_queue_test.cpp are linked to these: ReadyQueue on the model.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/socket.hpp"
#include "tests/kit/forked.hpp"
#include "tests/unit/socket_pair.hpp"

namespace {

struct kevent change_for(int descriptor, int16_t filter, int flags, void* owner = nullptr) {
  struct kevent change;
  EV_SET(&change, static_cast<uintptr_t>(descriptor), filter, static_cast<uint16_t>(flags), 0, 0,
         owner);
  return change;
}

// A queue, and kevent(2) with fewer arguments.
struct Model {
  Descriptor queue{kqueue()};

  // The errno value of a change made with no room for events, or 0.
  int change(const struct kevent& change) const {
    return kevent(queue.fd(), &change, 1, nullptr, 0, nullptr) == 0 ? 0 : errno;
  }
  int add(int descriptor, int16_t filter, int flags = 0, void* owner = nullptr) const {
    return change(change_for(descriptor, filter, EV_ADD | flags, owner));
  }
  int remove(int descriptor, int16_t filter) const {
    return change(change_for(descriptor, filter, EV_DELETE));
  }

  // What is ready now, or becomes so within the limit.
  std::vector<struct kevent> ready(const timespec& limit = {0, 0}, int room = 16) const {
    std::vector<struct kevent> events(static_cast<std::size_t>(room));
    const int count = kevent(queue.fd(), nullptr, 0, events.data(), room, &limit);
    REQUIRE(count >= 0);
    events.resize(static_cast<std::size_t>(count));
    return events;
  }
  std::vector<struct kevent> ready_soon() const { return ready({5, 0}); }
};

void take_all(int socket) {
  std::string bytes;
  read_what_is_there(socket, bytes);
}

}  // namespace

TEST_CASE("an event says which descriptor, which filter and whose; what came before counts") {
  const SocketPair pair = make_pair(Blocking::no);
  const Model model;
  int reader = 0;
  int writer = 0;
  send_some(pair.client.fd(), "early");
  REQUIRE(model.add(pair.server.fd(), EVFILT_READ, 0, &reader) == 0);
  for (int i = 0; i < 3; ++i) {  // level-triggered
    const auto events = model.ready_soon();
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<uintptr_t>(pair.server.fd()));
    CHECK(events[0].filter == EVFILT_READ);
    CHECK(events[0].flags == 0);
    CHECK(events[0].udata == &reader);
  }
  INFO("reading and writing are two registrations");
  REQUIRE(model.add(pair.server.fd(), EVFILT_WRITE, 0, &writer) == 0);
  const auto both = model.ready();
  REQUIRE(both.size() == 2);
  CHECK(both[0].udata != both[1].udata);
  take_all(pair.server.fd());
  REQUIRE(model.ready().size() == 1);
  CHECK(model.ready()[0].udata == &writer);
  REQUIRE(model.remove(pair.server.fd(), EVFILT_WRITE) == 0);
  CHECK(model.ready().empty());
}

TEST_CASE("adding again changes the owner and makes no second registration") {
  const SocketPair pair = make_pair(Blocking::no);
  const Model model;
  int first = 0;
  int second = 0;
  send_some(pair.client.fd(), "x");
  REQUIRE(model.add(pair.server.fd(), EVFILT_READ, 0, &first) == 0);
  REQUIRE(model.add(pair.server.fd(), EVFILT_READ, 0, &second) == 0);
  const auto events = model.ready_soon();
  REQUIRE(events.size() == 1);
  CHECK(events[0].udata == &second);
}

TEST_CASE("EV_CLEAR tells of a byte once, and of the next one although the first is unread") {
  const SocketPair pair = make_pair(Blocking::no);
  const Model model;
  REQUIRE(model.add(pair.server.fd(), EVFILT_READ, EV_CLEAR) == 0);
  CHECK(model.ready().empty());
  for (int i = 0; i < 2; ++i) {
    send_some(pair.client.fd(), "x");
    const auto events = model.ready_soon();
    REQUIRE(events.size() == 1);
    CHECK(events[0].flags == EV_CLEAR);
    CHECK(model.ready().empty());
  }
  INFO("to add it again asks again");
  REQUIRE(model.add(pair.server.fd(), EVFILT_READ, EV_CLEAR) == 0);
  CHECK(model.ready().size() == 1);
  INFO("the end of the stream is one more, and told once");
  REQUIRE(shutdown(pair.client.fd(), SHUT_WR) == 0);
  CHECK(model.ready_soon().size() == 1);
  CHECK(model.ready().empty());
}

TEST_CASE("EV_CLEAR tells of room when it is added, and again after it had run out") {
  const SocketPair pair = make_pair(Blocking::no, 4096);
  const Model model;
  REQUIRE(model.add(pair.server.fd(), EVFILT_WRITE, EV_CLEAR) == 0);
  CHECK(model.ready().size() == 1);
  CHECK(model.ready().empty());
  send_what_fits(pair.server.fd(), std::string(1 << 20, 'x'));
  CHECK(model.ready().empty());
  INFO("what arrives for the reader is no news for the writer");
  send_some(pair.client.fd(), "x");
  CHECK(model.ready().empty());
  bool is_told = false;
  for (int i = 0; i < 1000 && !is_told; ++i) {
    take_all(pair.client.fd());
    is_told = !model.ready({0, 5'000'000}).empty();
  }
  CHECK(is_told);
}

TEST_CASE("a pipe is watched at either end; its reading end is never writable") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const Descriptor reading(ends[0]);
  const Descriptor writing(ends[1]);
  const Model model;
  REQUIRE(model.add(reading.fd(), EVFILT_READ) == 0);
  REQUIRE(model.add(reading.fd(), EVFILT_WRITE) == 0);
  CHECK(model.ready().empty());
  REQUIRE(model.add(writing.fd(), EVFILT_WRITE) == 0);
  REQUIRE(model.ready().size() == 1);
  REQUIRE(write(writing.fd(), "x", 1) == 1);
  CHECK(model.ready().size() == 2);
}

TEST_CASE("errors are in errno, and stop the list of changes") {
  const SocketPair pair = make_pair(Blocking::no);
  const Model model;
  const int fd = pair.server.fd();
  CHECK(model.remove(fd, EVFILT_READ) == ENOENT);
  CHECK(model.add(-1, EVFILT_READ) == EBADF);
  CHECK(model.add(1000, EVFILT_READ) == EBADF);
  CHECK(model.remove(1000, EVFILT_READ) == EBADF);
  CHECK(model.add(fd, 0) == EINVAL);
  CHECK(model.add(fd, 1) == EINVAL);

  const struct kevent changes[] = {change_for(fd, EVFILT_READ, EV_DELETE),
                                   change_for(fd, EVFILT_WRITE, EV_ADD)};
  CHECK(kevent(model.queue.fd(), changes, 2, nullptr, 0, nullptr) == -1);
  CHECK(errno == ENOENT);
  CHECK(model.ready().empty());  // the second has not been applied

  struct kevent event;
  for (const timespec& limit : {timespec{-1, 0}, timespec{0, -1}, timespec{0, 1'000'000'000}}) {
    CHECK(kevent(model.queue.fd(), nullptr, 0, &event, 1, &limit) == -1);
    CHECK(errno == EINVAL);
  }
}

TEST_CASE("registrations end with their descriptor, whoever gets its number") {
  const Model model;
  for (const bool by_duplicate : {false, true}) {
    SocketPair first = make_pair(Blocking::no);
    const SocketPair second = make_pair(Blocking::no);
    const int number = first.server.fd();
    const Descriptor copy(dup(number));  // no kqueue minds it
    send_some(first.client.fd(), "x");
    send_some(second.client.fd(), "x");
    REQUIRE(model.add(number, EVFILT_READ) == 0);
    if (!by_duplicate) first.server = Descriptor();
    REQUIRE(dup2(second.server.fd(), number) == number);
    if (!by_duplicate) first.server = Descriptor(number);
    CHECK(model.ready({0, 5'000'000}).empty());
    CHECK(model.remove(number, EVFILT_READ) == ENOENT);
  }
}

TEST_CASE("a queue is not inherited across fork") {
  const Model model;
  const ChildEnd end = run_in_child([&] {
    demand(kevent(model.queue.fd(), nullptr, 0, nullptr, 0, nullptr) == -1 && errno == EBADF,
           "it is no queue");
    demand(fcntl(model.queue.fd(), F_GETFD) == -1, "it is closed");
  });
  CHECK(end.err == "");
  CHECK(end.exit_status == 0);
  CHECK(model.ready().empty());
}

TEST_CASE("of more ready events than fit, the others come next, whichever filter's they are") {
  const Model model;
  std::vector<SocketPair> pairs;
  for (int i = 0; i < 5; ++i) {
    pairs.push_back(make_pair(Blocking::no));
    send_some(pairs.back().client.fd(), "x");
    REQUIRE(model.add(pairs.back().server.fd(), EVFILT_READ) == 0);
    REQUIRE(model.add(pairs.back().server.fd(), EVFILT_WRITE) == 0);
  }
  REQUIRE(model.ready_soon().size() == 10);
  std::set<std::pair<uintptr_t, int16_t>> seen;
  for (int i = 0; i < 6; ++i)
    for (const auto& event : model.ready({0, 0}, 2)) seen.emplace(event.ident, event.filter);
  CHECK(seen.size() == 10);
}

TEST_CASE("a listener cannot be asked whether it is one") {
  const Descriptor listener = listen_on("127.0.0.1", 0);
  int value = 0;
  socklen_t length = sizeof value;
  CHECK(getsockopt(listener.fd(), SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == -1);
  CHECK(errno == ENOPROTOOPT);
  CHECK(getsockopt(listener.fd(), SOL_SOCKET, SO_TYPE, &value, &length) == 0);
}

TEST_CASE("what is not modelled is refused") {
  const SocketPair pair = make_pair(Blocking::no);
  const Model model;
  const int fd = pair.server.fd();
  CHECK(model.add(fd, EVFILT_READ, EV_DELETE) == ENOTSUP);
  CHECK(model.add(fd, EVFILT_READ, 0x0010) == ENOTSUP);  // EV_ONESHOT
  CHECK(model.add(1, -7) == ENOTSUP);                    // EVFILT_TIMER
  struct kevent low_water = change_for(fd, EVFILT_READ, EV_ADD);
  low_water.fflags = 1;
  CHECK(model.change(low_water) == ENOTSUP);
  const Descriptor file(open("/dev/null", O_RDONLY));
  CHECK(model.add(file.fd(), EVFILT_READ) == ENOTSUP);
  const struct kevent change = change_for(fd, EVFILT_READ, EV_ADD);
  struct kevent event;
  CHECK(kevent(model.queue.fd(), &change, 1, &event, 1, nullptr) == -1);
  CHECK(errno == ENOTSUP);
}
