#include "tests/kit/sockets.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#ifdef __linux__
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>
#endif

#include <array>
#include <cstring>
#include <exception>
#include <string>

using namespace two_ways;

std::uint16_t local_port(int socket) {
  const std::string address = local_address(socket);
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

void reset(Descriptor& socket) {
  const linger at_once{1, 0};  // close(2) then sends a reset
  if (socket) (void)setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket = Descriptor();
}

#ifdef __linux__

namespace {

// States of a TCP socket, as NETLINK_SOCK_DIAG numbers them. <netinet/tcp.h> has them too, but
// cannot be included together with <linux/tcp.h>.
enum : std::uint8_t { TCP_ESTABLISHED = 1, TCP_SYN_RECV = 3, TCP_CLOSE_WAIT = 8, TCP_LISTEN = 10 };

struct DiagResponse {
  std::uint8_t state;
  std::uint32_t unread;
  std::uint32_t unsent;
  std::uint32_t inode;
};

// One exact question about one socket (sock_diag(7)). It costs microseconds, while a scan of
// /proc/net/tcp takes a time that grows with all sockets of the machine.
std::optional<DiagResponse> ask_about(const inet_diag_sockid& socket_id) {
  static const Descriptor netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return std::nullopt;
  struct {
    nlmsghdr header;
    inet_diag_req_v2 body;
  } question{};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.body.sdiag_family = AF_INET;
  question.body.sdiag_protocol = IPPROTO_TCP;
  question.body.idiag_states = ~0U;
  question.body.id = socket_id;
  question.body.id.idiag_cookie[0] = question.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (send(netlink.fd(), &question, sizeof question, 0) < 0) return std::nullopt;
  alignas(nlmsghdr) std::array<char, 4096> room;
  const ssize_t count = recv(netlink.fd(), room.data(), room.size(), 0);
  if (count < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg)))) return std::nullopt;
  const auto* header = reinterpret_cast<const nlmsghdr*>(room.data());
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;  // NLMSG_ERROR: no such
  inet_diag_msg response;
  std::memcpy(&response, room.data() + NLMSG_HDRLEN, sizeof response);
  return DiagResponse{response.idiag_state, response.idiag_rqueue, response.idiag_wqueue,
                      response.idiag_inode};
}

}  // namespace

std::size_t unacknowledged_bytes(int socket) {
  int count = 0;
  if (ioctl(socket, SIOCOUTQ, &count) < 0) return 0;
  return static_cast<std::size_t>(count);
}

std::optional<SocketLook> server_side_of(int client_socket) {
  sockaddr_in own{};
  sockaddr_in peer{};
  socklen_t own_length = sizeof own;
  socklen_t peer_length = sizeof peer;
  if (getsockname(client_socket, reinterpret_cast<sockaddr*>(&own), &own_length) < 0 ||
      getpeername(client_socket, reinterpret_cast<sockaddr*>(&peer), &peer_length) < 0)
    return std::nullopt;
  inet_diag_sockid id{};  // source and destination as the server sees them
  id.idiag_sport = peer.sin_port;
  id.idiag_dport = own.sin_port;
  id.idiag_src[0] = peer.sin_addr.s_addr;
  id.idiag_dst[0] = own.sin_addr.s_addr;
  const auto response = ask_about(id);
  // Where there is no such connection any more, the kernel answers about the listener. That is soon
  // where it keeps no more TIME_WAIT (tcp_max_tw_buckets in tcp(7)).
  if (!response || response->state == TCP_LISTEN) return std::nullopt;
  // A socket that no descriptor refers to either waits in the backlog or has been closed; the
  // latter goes on until its last bytes are acknowledged, in a state that says so.
  const bool orphan = response->inode == 0;
  const bool waiting = response->state == TCP_ESTABLISHED || response->state == TCP_SYN_RECV ||
                       response->state == TCP_CLOSE_WAIT;
  return SocketLook{!orphan || !waiting, orphan && !waiting, response->unread, response->unsent};
}

std::optional<BacklogLook> backlog_of(std::uint16_t port) {
  inet_diag_sockid id{};
  id.idiag_sport = htons(port);
  id.idiag_src[0] = htonl(INADDR_LOOPBACK);
  const auto response = ask_about(id);
  if (!response) return std::nullopt;
  return BacklogLook{response->unread, response->unsent};
}

std::optional<std::uint64_t> segments_received(int socket) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return std::nullopt;
  return info.tcpi_data_segs_in;
}

bool can_observe_sockets() {
  static const bool can = [] {
    try {
      const Descriptor listener = listen_on("127.0.0.1", 0);
      return backlog_of(local_port(listener.fd())).has_value();
    } catch (const std::exception&) {
      return false;
    }
  }();
  return can;
}

#else

std::size_t unacknowledged_bytes(int) {
  return 0;
}
std::optional<SocketLook> server_side_of(int) {
  return std::nullopt;
}
std::optional<BacklogLook> backlog_of(std::uint16_t) {
  return std::nullopt;
}
std::optional<std::uint64_t> segments_received(int) {
  return std::nullopt;
}
bool can_observe_sockets() {
  return false;
}

#endif
