// watcher.hpp — how the load generator waits for thousands of sockets at once.
//
// Gives: one wait for many descriptors: epoll on Linux, poll elsewhere. Level-triggered: what is
//        ready and not dealt with is reported again.
//        Not the servers' ReadyQueue: that waits for whole milliseconds, and a request is due to
//        the microsecond; and an instrument should not share the faults of what it measures.
// Do:    forget() a descriptor before closing it.
// Do not: keep the span across the next wait().
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

#include "common/socket.hpp"

#ifndef __linux__
#include <poll.h>
#endif

using namespace two_ways;

class Watcher {
 public:
  enum class For { readable, writable };

  Watcher();
  void watch(int fd, For what, void* owner);
  void change(int fd, For what, void* owner);
  void forget(int fd);
  // The owners of what is ready; empty when the time has run out or a signal came.
  std::span<void* const> wait(std::chrono::nanoseconds timeout);

 private:
#ifdef __linux__
  void wait_briefly(std::chrono::nanoseconds timeout) const;

  Descriptor queue_;
#else
  struct Owner {
    void* owner = nullptr;
    std::size_t place = 0;
  };
  std::vector<pollfd> watched_;
  std::vector<Owner> owners_;  // by descriptor
#endif
  std::vector<void*> ready_;
};
