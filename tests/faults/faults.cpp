// faults.cpp — a preloaded library that makes a program's system calls fall short or fail.
//
//   FAULTS=seed=17,short_read=30,eintr=15 LD_PRELOAD=build/libfaults.so build/event_loop
//
// Each kind of fault (tests/kit/fault_plan.hpp has the list) has a percentage of the calls it
// can happen to. Which calls these are follows from the seed and from the number of the call, so
// the same calls in the same order fail in the same places.
//
// Nothing happens that a kernel could not do. After an injected ECONNRESET or EPIPE the connection
// is dead, and its client sees a reset; after ECONNABORTED the client is gone; EAGAIN comes from
// non-blocking sockets only, where the watcher must be level-triggered to be told again; EINTR
// comes before anything has been done, but for close(2), which has closed.
//
// The faults begin when the program first waits for readiness, or starts a process: before that
// it is not disturbed. They end when somebody sets `off` on the board, the page of memory named by
// FAULTS_BOARD; there the faults are counted, too. Without a board they are not counted, and go on.
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>
#include <new>

#include "tests/kit/fault_plan.hpp"

namespace {

FaultBoard own_board;
FaultBoard* board = &own_board;
std::uint64_t seed = 0;
std::array<std::uint32_t, fault_kinds> rates;  // of 2^32 draws; all zero: nothing happens
std::atomic<bool> has_started = false;
std::atomic<std::uint64_t> draws = 0;

// The next function of that name: the C library's, or a sanitizer's, which calls the C library's.
template <class Function>
Function* next_function(std::atomic<Function*>& known, const char* name) {
  Function* function = known.load(std::memory_order_relaxed);
  if (function == nullptr) {
    function = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
    known.store(function, std::memory_order_relaxed);
  }
  return function;
}

// A well-mixed number for each draw (splitmix64).
std::uint64_t draw() {
  std::uint64_t z = seed + 0x9e3779b97f4a7c15u * (draws.fetch_add(1) + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

bool is_likely(Fault fault) {
  const std::uint32_t rate = rates[static_cast<unsigned>(fault)];
  return rate != 0 && has_started.load(std::memory_order_relaxed) && board->off == 0 &&
         (draw() >> 32) < rate;
}

void count(Fault fault) {
  ++board->injected[static_cast<unsigned>(fault)];
}

bool happens(Fault fault) {
  const bool now = is_likely(fault);
  if (now) count(fault);
  return now;
}

// True, with errno, if the call is to fail by this fault.
bool fails(Fault fault, int error) {
  if (!happens(fault)) return false;
  errno = error;
  return true;
}

// What can happen to any call.
bool is_held_up() {
  if (has_started.load(std::memory_order_relaxed)) ++board->calls;
  if (happens(Fault::delay)) {
    const timespec time{0, static_cast<long>(draw() % 2'000'000)};
    nanosleep(&time, nullptr);
  }
  return fails(Fault::interrupted, EINTR);
}

bool is_nonblocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

bool is_pipe(int fd) {
  struct stat about {};
  return fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
}

bool is_socket(int fd) {
  const int error = errno;
  int type = 0;
  socklen_t size = sizeof type;
  const bool is = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
  errno = error;
  return is;
}

bool fails_for_want_of_room() {
  return fails(Fault::no_descriptor, EMFILE) || fails(Fault::no_file, ENFILE) ||
         fails(Fault::no_buffer, ENOBUFS) || fails(Fault::no_kernel_memory, ENOMEM);
}

// Down to one byte, more often few than many.
std::size_t shortened(std::size_t size) {
  const std::uint64_t number = draw();
  if (number % 3 == 0) return 1;
  return 1 + (number >> 8) % (number % 3 == 1 ? std::min<std::size_t>(size, 64) : size);
}

using Accept = int(int, sockaddr*, socklen_t*);
using Accept4 = int(int, sockaddr*, socklen_t*, int);
using Connect = int(int, const sockaddr*, socklen_t);
using Receive = ssize_t(int, void*, std::size_t, int);
using Send = ssize_t(int, const void*, std::size_t, int);
using Read = ssize_t(int, void*, std::size_t);
using Write = ssize_t(int, const void*, std::size_t);
using Poll = int(pollfd*, nfds_t, int);
using Select = int(int, fd_set*, fd_set*, fd_set*, timeval*);
using SelectMasked = int(int, fd_set*, fd_set*, fd_set*, const timespec*, const sigset_t*);
using EpollWait = int(int, epoll_event*, int, int);
using EpollControl = int(int, int, int, epoll_event*);
using Close = int(int);
using Socket = int(int, int, int);
using ThreadCreate = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
using Fork = pid_t();
using Execute = int(const char*, char* const*);
using Allocate = void*(std::size_t);

std::atomic<Accept*> next_accept;
std::atomic<Accept4*> next_accept4;
std::atomic<Connect*> next_connect;
std::atomic<Receive*> next_receive;
std::atomic<Send*> next_send;
std::atomic<Read*> next_read;
std::atomic<Write*> next_write;
std::atomic<Poll*> next_poll;
std::atomic<Select*> next_select;
std::atomic<SelectMasked*> next_pselect;
std::atomic<EpollWait*> next_epoll_wait;
std::atomic<EpollControl*> next_epoll_control;
std::atomic<Close*> next_close;
std::atomic<Socket*> next_socket;
std::atomic<ThreadCreate*> next_thread_create;
std::atomic<Fork*> next_fork;
std::atomic<Execute*> next_execvp;
std::atomic<Allocate*> next_allocate;

int connect_for_real(int fd, const sockaddr* address, socklen_t length) {
  return next_function(next_connect, "connect")(fd, address, length);
}

// Connecting a stream socket to no address at all (connect(2)) resets its connection.
void kill_connection(int fd) {
  sockaddr nothing{};
  nothing.sa_family = AF_UNSPEC;
  (void)connect_for_real(fd, &nothing, sizeof nothing);
  int error = 0;
  socklen_t size = sizeof error;
  (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);  // it has been told
}

bool dies(Fault fault, int fd, int error) {
  if (!happens(fault)) return false;
  kill_connection(fd);
  errno = error;
  return true;
}

// Accepts the client and loses it again. False, with errno, if there is none.
template <class AcceptNow>
int accept_and_lose(AcceptNow accept_now) {
  const int client = accept_now();
  if (client < 0) return client;
  count(Fault::aborted);
  kill_connection(client);
  (void)next_function(next_close, "close")(client);
  errno = ECONNABORTED;
  return -1;
}

template <class AcceptNow>
int faulty_accept(int listener, AcceptNow accept_now) {
  has_started = true;
  if (is_held_up() || fails_for_want_of_room()) return -1;
  if (is_nonblocking(listener)) {
    if (fails(Fault::spurious, EAGAIN)) return -1;
    if (is_likely(Fault::aborted)) return accept_and_lose(accept_now);
  }
  return accept_now();
}

template <class ReceiveNow>
ssize_t receive_some(std::size_t size, ReceiveNow receive_now) {
  if (size <= 1 || !is_likely(Fault::short_read)) return receive_now(size);
  const std::size_t less = shortened(size - 1);
  const ssize_t got = receive_now(less);
  if (got == static_cast<ssize_t>(less)) count(Fault::short_read);
  return got;
}

bool reading_fails(bool never_waits) {
  return is_held_up() || (never_waits && fails(Fault::spurious, EAGAIN));
}

template <class ReceiveNow>
ssize_t faulty_receive(int fd, std::size_t size, bool never_waits, ReceiveNow receive_now) {
  if (reading_fails(never_waits) || dies(Fault::reset, fd, ECONNRESET)) return -1;
  return receive_some(size, receive_now);
}

template <class SendNow>
ssize_t faulty_send(int fd, std::size_t size, bool never_waits, SendNow send_now) {
  if (is_held_up()) return -1;
  if (never_waits && fails(Fault::spurious, EAGAIN)) return -1;
  if (dies(Fault::broken_pipe, fd, EPIPE) || dies(Fault::reset, fd, ECONNRESET)) return -1;
  if (size <= 1 || !is_likely(Fault::short_write)) return send_now(size);
  const ssize_t sent = send_now(shortened(size - 1));
  if (sent > 0) count(Fault::short_write);
  return sent;
}

// What is ready now, and one descriptor that is not. 0 if there is none to lie about. Whoever only
// looks, with a timeout of 0, is told the truth: nobody is woken there.
int poll_with_a_lie(pollfd* entries, nfds_t size) {
  if (size == 0 || !is_likely(Fault::spurious)) return 0;
  const int ready = next_function(next_poll, "poll")(entries, size, 0);
  if (ready < 0) return 0;
  const nfds_t first = draw() % size;
  for (nfds_t i = 0; i < std::min<nfds_t>(size, 8); ++i) {
    pollfd& entry = entries[(first + i) % size];
    if (entry.fd < 0 || entry.revents != 0 || !is_nonblocking(entry.fd)) continue;
    entry.revents = entry.events;
    count(Fault::spurious);
    return ready + 1;
  }
  return ready;
}

int select_with_a_lie(int end, fd_set* readable, fd_set* writable) {
  if (end <= 0 || readable == nullptr || !is_likely(Fault::spurious)) return 0;
  const fd_set asked = *readable;
  const fd_set asked_writable = writable == nullptr ? fd_set{} : *writable;
  timeval at_once{};
  const int ready =
      next_function(next_select, "select")(end, readable, writable, nullptr, &at_once);
  const int first = static_cast<int>(draw() % static_cast<unsigned>(end));
  for (int i = 0; ready >= 0 && i < end; ++i) {
    const int fd = (first + i) % end;
    if (!FD_ISSET(fd, &asked) || FD_ISSET(fd, readable) || !is_nonblocking(fd)) continue;
    FD_SET(fd, readable);
    count(Fault::spurious);
    return ready + 1;
  }
  if (ready > 0) return ready;
  *readable = asked;
  if (writable != nullptr) *writable = asked_writable;
  return 0;
}

void read_settings() {
  const char* settings = std::getenv("FAULTS");
  if (settings == nullptr) return;
  for (const char* item = settings; *item != '\0';) {
    const std::size_t length = std::strcspn(item, ",");
    const char* const value = std::strchr(item, '=');
    const std::size_t name = value == nullptr ? length : static_cast<std::size_t>(value - item);
    bool known = false;
    if (value != nullptr && name == 4 && std::strncmp(item, "seed", name) == 0) {
      seed = std::strtoull(value + 1, nullptr, 10);
      known = true;
    }
    for (const FaultKind& kind : all_fault_kinds) {
      if (value == nullptr || std::strlen(kind.name) != name ||
          std::strncmp(item, kind.name, name) != 0)
        continue;
      const double percent = std::clamp(std::strtod(value + 1, nullptr), 0.0, 90.0);
      rates[static_cast<unsigned>(kind.fault)] =
          static_cast<std::uint32_t>(percent / 100 * 4294967295.0);
      known = true;
    }
    if (!known) {
      std::fprintf(stderr, "faults: there is no fault called '%.*s'\n", static_cast<int>(length),
                   item);
      std::_Exit(2);
    }
    item += length + (item[length] == ',' ? 1 : 0);
  }
}

void open_board() {
  const char* const path = std::getenv("FAULTS_BOARD");
  if (path == nullptr) return;
  const int file = open(path, O_RDWR | O_CLOEXEC);
  void* const memory =
      file < 0 ? MAP_FAILED
               : mmap(nullptr, sizeof(FaultBoard), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) {
    std::fprintf(stderr, "faults: the board %s cannot be opened\n", path);
    std::_Exit(2);
  }
  (void)next_function(next_close, "close")(file);
  board = static_cast<FaultBoard*>(memory);
}

struct Begin {
  Begin() {
    open_board();
    read_settings();
    ++board->loaded;
  }
};
const Begin begin;

}  // namespace

// From here on: the names of the C library, with its own parameters.
extern "C" {

int accept(int listener, sockaddr* address, socklen_t* length) {
  return faulty_accept(
      listener, [=] { return next_function(next_accept, "accept")(listener, address, length); });
}

int accept4(int listener, sockaddr* address, socklen_t* length, int flags) {
  return faulty_accept(listener, [=] {
    return next_function(next_accept4, "accept4")(listener, address, length, flags);
  });
}

int socket(int domain, int type, int protocol) noexcept {
  if (fails_for_want_of_room()) return -1;
  return next_function(next_socket, "socket")(domain, type, protocol);
}

// A signal ends the call, and the connecting goes on.
int connect(int fd, const sockaddr* address, socklen_t length) {
  if (is_nonblocking(fd) || !happens(Fault::interrupted))
    return connect_for_real(fd, address, length);
  const int flags = fcntl(fd, F_GETFL);
  (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  const int result = connect_for_real(fd, address, length);
  const int error = errno;
  (void)fcntl(fd, F_SETFL, flags);
  errno = error == EINPROGRESS ? EINTR : error;
  return result;
}

ssize_t recv(int fd, void* room, std::size_t size, int flags) {
  const bool never_waits = (flags & MSG_DONTWAIT) != 0 || is_nonblocking(fd);
  return faulty_receive(fd, size, never_waits, [=](std::size_t most) {
    return next_function(next_receive, "recv")(fd, room, most, flags);
  });
}

ssize_t read(int fd, void* room, std::size_t size) {
  const auto read_now = [=](std::size_t most) {
    return next_function(next_read, "read")(fd, room, most);
  };
  if (is_pipe(fd)) return reading_fails(is_nonblocking(fd)) ? -1 : receive_some(size, read_now);
  if (!is_socket(fd)) return read_now(size);
  return faulty_receive(fd, size, is_nonblocking(fd), read_now);
}

// What _FORTIFY_SOURCE makes of recv, read and poll.
// NOLINTBEGIN(bugprone-reserved-identifier): the C library has named them so.
ssize_t __recv_chk(int fd, void* room, std::size_t size, std::size_t, int flags) {
  return recv(fd, room, size, flags);
}

ssize_t __read_chk(int fd, void* room, std::size_t size, std::size_t) {
  return read(fd, room, size);
}

int __poll_chk(pollfd* entries, nfds_t size, int timeout, std::size_t) {
  return poll(entries, size, timeout);
}
// NOLINTEND(bugprone-reserved-identifier)

ssize_t send(int fd, const void* bytes, std::size_t size, int flags) {
  const bool never_waits = (flags & MSG_DONTWAIT) != 0 || is_nonblocking(fd);
  return faulty_send(fd, size, never_waits, [=](std::size_t most) {
    return next_function(next_send, "send")(fd, bytes, most, flags);
  });
}

ssize_t write(int fd, const void* bytes, std::size_t size) {
  const auto write_now = [=](std::size_t most) {
    return next_function(next_write, "write")(fd, bytes, most);
  };
  if (!is_socket(fd)) return write_now(size);
  return faulty_send(fd, size, is_nonblocking(fd), write_now);
}

int poll(pollfd* entries, nfds_t size, int timeout) {
  has_started = true;
  if (is_held_up() || fails(Fault::no_kernel_memory, ENOMEM)) return -1;
  if (timeout != 0)
    if (const int ready = poll_with_a_lie(entries, size); ready > 0) return ready;
  return next_function(next_poll, "poll")(entries, size, timeout);
}

int select(int end, fd_set* readable, fd_set* writable, fd_set* others, timeval* limit) {
  has_started = true;
  if (is_held_up() || fails(Fault::no_kernel_memory, ENOMEM)) return -1;
  if (const int ready = select_with_a_lie(end, readable, writable); ready > 0) return ready;
  return next_function(next_select, "select")(end, readable, writable, others, limit);
}

int pselect(int end, fd_set* readable, fd_set* writable, fd_set* others, const timespec* limit,
            const sigset_t* signals) {
  has_started = true;
  if (is_held_up() || fails(Fault::no_kernel_memory, ENOMEM)) return -1;
  if (const int ready = select_with_a_lie(end, readable, writable); ready > 0) return ready;
  return next_function(next_pselect, "pselect")(end, readable, writable, others, limit, signals);
}

// Linux has memory for it at all times; kevent(2), for which it stands here, has not.
int epoll_wait(int queue, epoll_event* events, int size, int timeout) {
  has_started = true;
  if (is_held_up() || fails(Fault::no_kernel_memory, ENOMEM)) return -1;
  return next_function(next_epoll_wait, "epoll_wait")(queue, events, size, timeout);
}

int epoll_ctl(int queue, int action, int fd, epoll_event* event) noexcept {
  if (action == EPOLL_CTL_ADD && fails(Fault::no_kernel_memory, ENOMEM)) return -1;
  return next_function(next_epoll_control, "epoll_ctl")(queue, action, fd, event);
}

// Linux has closed the descriptor even so (close(2)).
int close(int fd) {
  const int result = next_function(next_close, "close")(fd);
  return result == 0 && fails(Fault::interrupted, EINTR) ? -1 : result;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* argument) noexcept {
  if (happens(Fault::no_thread)) return EAGAIN;
  return next_function(next_thread_create, "pthread_create")(thread, attributes, run, argument);
}

pid_t fork() noexcept {
  has_started = true;
  if (fails(Fault::no_process, draw() % 2 == 0 ? EAGAIN : ENOMEM)) return -1;
  const pid_t process = next_function(next_fork, "fork")();
  if (process == 0) seed = draw();  // or it would draw the same numbers as its parent
  return process;
}

int execvp(const char* program, char* const* arguments) noexcept {
  if (fails(Fault::no_program, ENOMEM)) return -1;
  return next_function(next_execvp, "execvp")(program, arguments);
}

}  // extern "C"

// All memory of a C++ program comes from here, unless it asks for it in another way.
void* operator new(std::size_t size) {
  if (happens(Fault::no_memory)) throw std::bad_alloc();
  return next_function(next_allocate, "_Znwm")(size);
}
