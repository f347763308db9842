// servers.hpp — the programs of this project, one line each. Whoever goes through the servers (the
// checks, the attacks, the demo, the measurements, the lessons' checker, the Makefile) reads them
// here.
//
// Gives: a program's name, how it waits, and what follows from that by design.
// Do:    add a server by its file and its line here; lessons.md has to run it. A line begins with
//        the name, for the Makefile's sake. One that waits like another has the other's model;
//        a new way of waiting has a bit of its own, in the groups below, too.
#pragma once

#include <sys/select.h>

#include <cstddef>
#include <span>

// The programs' models, one bit each, so that a check can name several.
using Models = unsigned;
inline constexpr Models one_at_a_time = 1;
inline constexpr Models thread_per_connection = 2;
inline constexpr Models select_loop = 4;
inline constexpr Models poll_loop = 8;
inline constexpr Models event_loop = 16;
inline constexpr Models await_loop = 32;
inline constexpr Models slow_backend = 64;
inline constexpr Models prefork = 128;  // two copies of event_loop
// The least program of its kind, in no row below: its port is its only argument, and to it all
// paths are one.
inline constexpr Models sketch = 256;

inline constexpr Models queue_loops = event_loop | await_loop;  // they are told who is ready
inline constexpr Models scan_loops = select_loop | poll_loop;   // they ask about everybody
inline constexpr Models loops = scan_loops | queue_loops;
inline constexpr Models concurrent = thread_per_connection | loops;  // with many clients at once
inline constexpr Models servers = one_at_a_time | concurrent;
inline constexpr Models every = servers | slow_backend;
inline constexpr Models every_program = every | prefork;
inline constexpr Models every_concurrent = concurrent | slow_backend;

inline constexpr const char* reading_calls = "read recvfrom recvmsg readv";
inline constexpr const char* queue_calls = "epoll_wait epoll_pwait epoll_pwait2";

#ifdef __linux__
inline constexpr const char* queue_floor = "floor_epoll";
#else
inline constexpr const char* queue_floor = "floor_kqueue";
#endif

struct Program {
  const char* name;
  Models model;
  bool one_client = false;      // at a time
  bool thread_each = false;     // a thread for each client, up to -n
  const char* sleeps_in = "";   // with idle clients: in one of these calls
  const char* floor = nullptr;  // the least program that waits like it, in tests/measure/floors
  std::size_t most_descriptors = 0;  // 0: as many as the machine allows
};

inline constexpr Program all_programs[] = {
    {.name = "one_at_a_time",
     .model = one_at_a_time,
     .one_client = true,
     .sleeps_in = reading_calls},
    {.name = "thread_per_connection",
     .model = thread_per_connection,
     .thread_each = true,
     .sleeps_in = reading_calls,
     .floor = "floor_thread"},
    {.name = "select_loop",
     .model = select_loop,
     .sleeps_in = "select pselect6",
     .floor = "floor_select",
     .most_descriptors = FD_SETSIZE},
    {.name = "poll_loop", .model = poll_loop, .sleeps_in = "poll ppoll", .floor = "floor_poll"},
    {.name = "event_loop", .model = event_loop, .sleeps_in = queue_calls, .floor = queue_floor},
    {.name = "await_loop", .model = await_loop, .sleeps_in = queue_calls, .floor = queue_floor},
    {.name = "slow_backend", .model = slow_backend, .sleeps_in = "poll ppoll"},
    {.name = "prefork", .model = prefork},
};

constexpr std::span<const Program> programs() {
  return all_programs;
}

// The first one of a model: what it says of the model is true of an exercise's program, too.
constexpr const Program& program_of(Models model) {
  const Program* found = all_programs;
  while ((found->model & model) == 0) ++found;
  return *found;
}

// How many clients it can hold, if each takes so many descriptors and it needs others besides; 0:
// as many as the machine allows.
constexpr std::size_t most_clients(const Program& program, std::size_t besides,
                                   std::size_t descriptors_each = 1) {
  if (program.one_client) return 1;
  if (program.most_descriptors == 0) return 0;
  return (program.most_descriptors - besides) / descriptors_each;
}
