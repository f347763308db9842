// sockets.hpp — one TCP connection, seen from outside.
//
// Gives: what lies unread and unsent at the server's end, and what waits in a listener's backlog.
// Do not: take an empty answer for zero. Empty means that this system does not tell:
//        NETLINK_SOCK_DIAG is Linux's. macOS and the BSDs have net.inet.tcp.pcblist instead; it is
//        not used here yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/socket.hpp"

// The port of a socket's own address. Throws CallFailed.
std::uint16_t local_port(int socket);

// Closes it, with a reset in the place of an orderly end: what is unsent is forgotten.
void reset(two_ways::Descriptor& socket);

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

bool can_observe_sockets();
