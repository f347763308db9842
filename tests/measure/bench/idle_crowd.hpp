// idle_crowd.hpp — silent clients in a process of their own.
//
// One process may hold only so many descriptors, and servers that are compared run at once, each
// with thousands of clients who stay. So every server's crowd has a process, which does nothing
// while others are measured.
//
// Gives: clients of one server who have asked once and then keep silent.
// Do:    make it before there are other clients: its process inherits their sockets, and a client
//        has not left while somebody still holds his socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/kit/forked.hpp"

class IdleCrowd {
 public:
  // Throws CallFailed. With it, all of them leave.
  explicit IdleCrowd(std::uint16_t port);

  // Lets more of them come, up to so many in all. What went wrong; empty if nothing did.
  std::string grow_to(std::size_t count);

 private:
  Pipe orders_ = new_pipe();
  Pipe reports_ = new_pipe();
  Forked process_;
};
