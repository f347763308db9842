// observe.hpp — what can be seen of a process from outside.
//
// Gives: threads and what each does, descriptors, memory, CPU time.
// Do:    look at states, not at speeds: a thread that spins is runnable on the busiest machine.
// Do not: take an empty answer for zero. Empty means that this system does not tell: /proc is
//        Linux's. macOS and the BSDs have proc_pidinfo() and kvm_getprocs() instead; they are not
//        used here yet.
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
  std::uint64_t forced_switches;     // and how often it had to make room for another
  std::uint64_t cpu_nanoseconds;
  std::uint64_t queued_nanoseconds;  // runnable, and waiting for a core
  bool is_traced;                    // a debugger such as strace is attached
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

// CPU time of a process and of its threads that have ended, in steps of a clock tick (10 ms).
std::optional<std::uint64_t> read_cpu_with_ended_threads(pid_t process);

// Is a debugger attached to all of its threads?
bool is_traced(pid_t process);

// Do all of its threads sleep in a call? One that a debugger has stopped does not.
bool is_asleep(pid_t process);

// What a process has started, and what those have started. Where the system does not tell, nobody,
// and what a program has started is only reached through its process group.
bool tells_of_descendants();
std::vector<pid_t> children_of(pid_t process);
std::vector<pid_t> descendants_of(pid_t process);

// Orphans among our descendants become our children from now on, instead of init's.
void adopt_orphans();

// Kills every descendant of this process except `spared` and theirs, and collects them. Bounded.
void kill_descendants(const std::vector<pid_t>& spared);

std::size_t resident_kib_of(pid_t process);

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

// How many descriptors this process, the tester, may have.
std::size_t descriptor_limit();

bool can_observe_processes();
bool can_observe_epoll();  // what its sets hold
