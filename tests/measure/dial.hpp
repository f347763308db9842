// dial.hpp — connections to 127.0.0.1, more than one source address has ports for.
//
// Gives: a non-blocking socket on its way to a server. When 127.0.0.1 has no port left for that
//        server, 127.0.0.2 is used as the source address, and so on up to 127.0.0.32, which is for
//        some 900,000 connections; then 127.0.0.1 again, for somebody may have left.
#pragma once

#include <cstdint>

#include "common/socket.hpp"

using namespace two_ways;

class Dialer {
 public:
  // Becomes writable when the connection stands or has failed. Throws CallFailed.
  Descriptor dial(std::uint16_t port);

 private:
  unsigned source_ = 1;  // 127.0.0.source_
};
