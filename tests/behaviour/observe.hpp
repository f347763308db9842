// observe.hpp — what can be seen of a process from outside.
//
// Gives: threads and what each does, descriptors, memory, CPU time; and for one TCP connection
//        what lies unread and unsent at the server's end.
// Do:    look at states, not at speeds: a thread that spins is runnable on the busiest machine.
// Do not: take an empty answer for zero. Empty means that this system does not tell: /proc and
//        NETLINK_SOCK_DIAG are Linux's. macOS and the BSDs have proc_pidinfo(), kvm_getprocs()
//        and net.inet.tcp.pcblist instead; they are not used here yet.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

struct ThreadLook {
  int id;
  char state;                        // 'R' runnable, 'S' asleep, 'T' stopped, 'D', 'Z'
  std::uint64_t voluntary_switches;  // how often it has gone to sleep
  std::uint64_t cpu_nanoseconds;
  std::uint64_t queued_nanoseconds;  // runnable, and waiting for a core
};
std::vector<ThreadLook> threads_of(pid_t process);

// "poll", "epoll_wait", "recvfrom": the call that the thread sleeps in; "" if it does not sleep.
std::optional<std::string> call_of(pid_t process, int thread);

// One phrase for a failure: "its only thread sleeps in poll".
std::string describe_threads(pid_t process);

std::optional<std::size_t> descriptors_of(pid_t process);

struct Memory {
  std::size_t virtual_kib;
  std::size_t resident_kib;
  std::size_t anonymous_kib;  // resident memory that belongs to no file: heap and stacks
};
std::optional<Memory> memory_of(pid_t process);

// CPU time of all living threads.
std::optional<std::uint64_t> cpu_nanoseconds_of(pid_t process);

std::vector<pid_t> children_of(pid_t process);

// CPU time of everything that this process has started: of threads that have ended as well, and of
// children that have been collected by who is still there. In steps of 10 ms.
std::optional<std::uint64_t> cpu_nanoseconds_of_descendants();

// Its soft RLIMIT_NOFILE.
std::optional<std::size_t> descriptor_limit_of(pid_t process);

// Sets the soft RLIMIT_NOFILE of a running process: whatever it has open stays open. False where
// that cannot be done.
bool limit_descriptors_of(pid_t process, std::size_t most);

// What forty looks within half a second show of a process that should be asleep.
struct Restlessness {
  int looks;
  int runnable;  // looks that found at least one thread runnable
  double wakeups_per_second;
};
std::optional<Restlessness> watch(pid_t process);

// Numbers of its sockets, pipes and queues that exec() would not close, "3 5"; 0, 1 and 2 aside.
std::string inheritable_descriptors_of(pid_t process);

// Masks of all epoll sets of the process, one for each registered descriptor; empty vector if
// it has none.
std::vector<std::uint32_t> epoll_masks_of(pid_t process);

// The server's end of a connection, as the kernel sees it.
struct SocketLook {
  bool accepted;       // the server has taken it out of the backlog
  bool closed;         // and has closed it since
  std::size_t unread;  // bytes that have arrived and that the server has not read
  std::size_t unsent;  // bytes the server has sent and the client's side has not acknowledged
};
std::optional<SocketLook> server_side_of(int client_socket);

// What a socket of ours has sent and the other side has not acknowledged: where its buffers are
// small, that may not have arrived. 0 where it cannot be seen.
std::size_t unacknowledged_bytes(int socket);

struct BacklogLook {
  std::size_t waiting;
  std::size_t room;
};
std::optional<BacklogLook> backlog_of(std::uint16_t port);

// Data segments that have arrived at this socket so far.
std::optional<std::uint64_t> segments_received(int socket);

// How many descriptors this process, the tester, may have.
std::size_t descriptor_limit();

bool can_observe_processes();
bool can_observe_sockets();
bool can_observe_epoll();  // what its sets hold
