#include "tests/behaviour/observe.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <sstream>
#include <string_view>
#include <thread>

#include "common/socket.hpp"

namespace {

// A vanished entry (ENOENT, or ESRCH on read) is an empty text: the thread has ended.
std::string text_of(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> room;
  for (ssize_t count; file && (count = read(file.fd(), room.data(), room.size())) > 0;)
    text.append(room.data(), static_cast<std::size_t>(count));
  return text;
}

std::string proc(pid_t process, const std::string& entry) {
  return "/proc/" + std::to_string(process) + "/" + entry;
}

std::vector<std::string> entries_of(const std::string& directory) {
  std::vector<std::string> names;
  DIR* const stream = opendir(directory.c_str());
  if (stream == nullptr) return names;
  while (const dirent* entry = readdir(stream))
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  closedir(stream);
  return names;
}

// The number after "Name:" in a file of such lines.
std::optional<std::size_t> number_after(std::string_view text, std::string_view name) {
  const std::size_t place = text.find(name);
  if (place == std::string_view::npos) return std::nullopt;
  std::size_t from = place + name.size();
  while (from < text.size() && (text[from] == ' ' || text[from] == '\t')) ++from;
  std::size_t number = 0;
  const auto result = std::from_chars(text.data() + from, text.data() + text.size(), number);
  if (result.ec != std::errc()) return std::nullopt;
  return number;
}

// User and system time, the process's own and that of the children it has collected (proc(5)).
std::uint64_t ticks_of(pid_t process) {
  const std::string stat = text_of(proc(process, "stat"));
  const std::size_t name_end = stat.rfind(')');  // the name before it may hold anything
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_end + 1));
  constexpr int fields_before = 11;  // from the state to the last of the page faults
  std::string field;
  for (int i = 0; i < fields_before; ++i) fields >> field;
  std::uint64_t sum = 0;
  std::uint64_t ticks = 0;
  for (int i = 0; i < 4 && fields >> ticks; ++i) sum += ticks;
  return sum;
}

std::uint64_t ticks_below(pid_t process) {
  std::uint64_t sum = 0;
  for (const pid_t child : children_of(process)) sum += ticks_of(child) + ticks_below(child);
  return sum;
}

struct CallName {
  long number;
  const char* name;
};

constexpr CallName call_names[] = {
#ifdef SYS_poll
    {SYS_poll, "poll"},
#endif
#ifdef SYS_ppoll
    {SYS_ppoll, "ppoll"},
#endif
#ifdef SYS_select
    {SYS_select, "select"},
#endif
#ifdef SYS_pselect6
    {SYS_pselect6, "pselect6"},
#endif
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, "epoll_wait"},
#endif
#ifdef SYS_epoll_pwait
    {SYS_epoll_pwait, "epoll_pwait"},
#endif
#ifdef SYS_epoll_pwait2
    {SYS_epoll_pwait2, "epoll_pwait2"},
#endif
#ifdef SYS_accept
    {SYS_accept, "accept"},
#endif
#ifdef SYS_accept4
    {SYS_accept4, "accept4"},
#endif
#ifdef SYS_read
    {SYS_read, "read"},
#endif
#ifdef SYS_readv
    {SYS_readv, "readv"},
#endif
#ifdef SYS_write
    {SYS_write, "write"},
#endif
#ifdef SYS_writev
    {SYS_writev, "writev"},
#endif
#ifdef SYS_recvfrom
    {SYS_recvfrom, "recvfrom"},
#endif
#ifdef SYS_recvmsg
    {SYS_recvmsg, "recvmsg"},
#endif
#ifdef SYS_sendto
    {SYS_sendto, "sendto"},
#endif
#ifdef SYS_sendmsg
    {SYS_sendmsg, "sendmsg"},
#endif
#ifdef SYS_connect
    {SYS_connect, "connect"},
#endif
#ifdef SYS_futex
    {SYS_futex, "futex"},
#endif
#ifdef SYS_nanosleep
    {SYS_nanosleep, "nanosleep"},
#endif
#ifdef SYS_clock_nanosleep
    {SYS_clock_nanosleep, "clock_nanosleep"},
#endif
#ifdef SYS_rt_sigtimedwait
    {SYS_rt_sigtimedwait, "rt_sigtimedwait"},
#endif
#ifdef SYS_restart_syscall
    {SYS_restart_syscall, "restart_syscall"},
#endif
    {-1000, ""},  // so that the list is never empty
};

}  // namespace

std::size_t descriptor_limit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : static_cast<std::size_t>(limit.rlim_cur);
}

bool can_observe_processes() {
  static const bool can = !threads_of(getpid()).empty();
  return can;
}

std::vector<ThreadLook> threads_of(pid_t process) {
  std::vector<ThreadLook> threads;
  for (const std::string& name : entries_of(proc(process, "task"))) {
    const std::string task = proc(process, "task/" + name + "/");
    const std::string stat = text_of(task + "stat");
    const std::size_t name_end = stat.rfind(')');  // the name before it may hold anything
    if (name_end == std::string::npos || name_end + 2 >= stat.size()) continue;
    const std::string status = text_of(task + "status");
    ThreadLook look{};
    std::from_chars(name.data(), name.data() + name.size(), look.id);
    look.state = stat[name_end + 2];
    look.voluntary_switches = number_after(status, "\nvoluntary_ctxt_switches:").value_or(0);
    const std::string times = text_of(task + "schedstat");
    look.cpu_nanoseconds = number_after(times, "").value_or(0);
    look.queued_nanoseconds = number_after(times, " ").value_or(0);
    threads.push_back(look);
  }
  return threads;
}

std::optional<std::string> call_of(pid_t process, int thread) {
  const std::string text = text_of(proc(process, "task/" + std::to_string(thread) + "/syscall"));
  if (text.empty()) return std::nullopt;
  long number = -1;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc()) return "";  // "running"
  for (const CallName& call : call_names)
    if (call.number == number) return call.name;
  return "system call " + std::to_string(number);
}

std::string describe_threads(pid_t process) {
  const std::vector<ThreadLook> threads = threads_of(process);
  if (threads.empty()) return "nothing can be seen of its threads";
  std::string text;
  std::size_t told = 0;
  for (const ThreadLook& thread : threads) {
    if (++told > 4) {
      text += ", ...";
      break;
    }
    if (!text.empty()) text += ", ";
    const std::string call = call_of(process, thread.id).value_or("");
    if (thread.state == 'R')
      text += "one runs";
    else if (thread.state == 'S' || thread.state == 'D')
      text += call.empty() ? "one sleeps" : "one sleeps in " + call;
    else
      text += std::string("one is in state ") + thread.state;
  }
  if (threads.size() == 1) return "its only thread" + text.substr(3);
  return "of its " + std::to_string(threads.size()) + " threads " + text;
}

std::optional<std::size_t> descriptors_of(pid_t process) {
  const std::size_t count = entries_of(proc(process, "fd")).size();
  if (count == 0) return std::nullopt;
  return count;
}

std::optional<Memory> memory_of(pid_t process) {
  const std::string rollup = text_of(proc(process, "smaps_rollup"));
  const auto virtual_size = number_after(text_of(proc(process, "status")), "\nVmSize:");
  const auto resident = number_after(rollup, "\nRss:");
  const auto anonymous = number_after(rollup, "\nAnonymous:");
  if (!virtual_size || !resident || !anonymous) return std::nullopt;
  return Memory{*virtual_size, *resident, *anonymous};
}

std::optional<std::uint64_t> cpu_nanoseconds_of(pid_t process) {
  const std::vector<ThreadLook> threads = threads_of(process);
  if (threads.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const ThreadLook& thread : threads) sum += thread.cpu_nanoseconds;
  return sum;
}

std::vector<pid_t> children_of(pid_t process) {
  std::vector<pid_t> children;
  for (const std::string& name : entries_of(proc(process, "task"))) {
    std::istringstream list(text_of(proc(process, "task/" + name + "/children")));
    for (pid_t child; list >> child;) children.push_back(child);
  }
  return children;
}

std::optional<std::uint64_t> cpu_nanoseconds_of_descendants() {
  if (children_of(getpid()).empty()) return std::nullopt;
  const auto in_a_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return ticks_below(getpid()) * (1'000'000'000 / in_a_second);
}

std::optional<Restlessness> watch(pid_t process) {
  const auto switches = [process] {
    std::uint64_t sum = 0;
    for (const ThreadLook& thread : threads_of(process)) sum += thread.voluntary_switches;
    return sum;
  };
  if (threads_of(process).empty()) return std::nullopt;
  Restlessness seen{};
  const auto begin = std::chrono::steady_clock::now();
  const std::uint64_t before = switches();
  for (seen.looks = 0; seen.looks < 40; ++seen.looks) {
    std::this_thread::sleep_for(std::chrono::milliseconds(12));
    const std::vector<ThreadLook> threads = threads_of(process);
    seen.runnable += std::any_of(threads.begin(), threads.end(),
                                 [](const ThreadLook& thread) { return thread.state == 'R'; });
  }
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  const std::uint64_t after = switches();
  seen.wakeups_per_second = static_cast<double>(after - std::min(before, after)) / passed.count();
  return seen;
}

std::string inheritable_descriptors_of(pid_t process) {
  std::string found;
  for (const std::string& name : entries_of(proc(process, "fd"))) {
    std::array<char, 64> target{};
    const std::string link = proc(process, "fd/" + name);
    if (readlink(link.c_str(), target.data(), target.size() - 1) < 0) continue;
    if (target.front() == '/' || std::stoi(name) <= 2) continue;  // a file, such as a sanitizer's
    const std::string info = text_of(proc(process, "fdinfo/" + name));
    const std::size_t flags = info.find("flags:");
    if (flags == std::string::npos) continue;
    constexpr unsigned long close_on_exec = 02000000;  // O_CLOEXEC, as the file shows it
    if ((std::stoul(info.substr(flags + 6), nullptr, 8) & close_on_exec) == 0)
      found += (found.empty() ? "" : " ") + name;
  }
  return found;
}

std::vector<std::uint32_t> epoll_masks_of(pid_t process) {
  std::vector<std::uint32_t> masks;
  for (const std::string& name : entries_of(proc(process, "fdinfo"))) {
    const std::string text = text_of(proc(process, "fdinfo/" + name));
    constexpr std::string_view label = "events:";
    for (std::size_t at = text.find(label); at != std::string::npos;
         at = text.find(label, at + label.size())) {
      std::size_t from = at + label.size();
      while (from < text.size() && text[from] == ' ') ++from;
      std::uint32_t mask = 0;
      std::from_chars(text.data() + from, text.data() + text.size(), mask, 16);
      masks.push_back(mask);
    }
  }
  return masks;
}

#ifdef __linux__

namespace {

// States of a TCP socket, as NETLINK_SOCK_DIAG numbers them. <netinet/tcp.h> has them too, but
// cannot be included together with <linux/tcp.h>.
enum : std::uint8_t { TCP_ESTABLISHED = 1, TCP_SYN_RECV = 3, TCP_CLOSE_WAIT = 8 };

struct DiagAnswer {
  std::uint8_t state;
  std::uint32_t unread;
  std::uint32_t unsent;
  std::uint32_t inode;
};

// One exact question about one socket (sock_diag(7)). It costs microseconds, while a scan of
// /proc/net/tcp takes a time that grows with all sockets of the machine.
std::optional<DiagAnswer> ask_about(const inet_diag_sockid& socket_id) {
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
  if (send(netlink.fd(), &question, sizeof question, 0) < 0) return std::nullopt;
  alignas(nlmsghdr) std::array<char, 4096> room;
  const ssize_t count = recv(netlink.fd(), room.data(), room.size(), 0);
  if (count < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg)))) return std::nullopt;
  const auto* header = reinterpret_cast<const nlmsghdr*>(room.data());
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;  // NLMSG_ERROR: no such
  inet_diag_msg answer;
  std::memcpy(&answer, room.data() + NLMSG_HDRLEN, sizeof answer);
  return DiagAnswer{answer.idiag_state, answer.idiag_rqueue, answer.idiag_wqueue,
                    answer.idiag_inode};
}

inet_diag_sockid any_cookie() {
  inet_diag_sockid id{};
  id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return id;
}

}  // namespace

std::optional<std::size_t> descriptor_limit_of(pid_t process) {
  rlimit limit{};
  if (prlimit(process, RLIMIT_NOFILE, nullptr, &limit) < 0) return std::nullopt;
  return static_cast<std::size_t>(limit.rlim_cur);
}

bool limit_descriptors_of(pid_t process, std::size_t most) {
  rlimit limit{};
  if (prlimit(process, RLIMIT_NOFILE, nullptr, &limit) < 0) return false;
  limit.rlim_cur = std::min<rlim_t>(most, limit.rlim_max);
  return prlimit(process, RLIMIT_NOFILE, &limit, nullptr) == 0;
}

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
  inet_diag_sockid id = any_cookie();  // source and destination as the server sees them
  id.idiag_sport = peer.sin_port;
  id.idiag_dport = own.sin_port;
  id.idiag_src[0] = peer.sin_addr.s_addr;
  id.idiag_dst[0] = own.sin_addr.s_addr;
  const auto answer = ask_about(id);
  if (!answer) return std::nullopt;
  // A socket that no descriptor refers to either waits in the backlog or has been closed; the
  // latter goes on until its last bytes are acknowledged, in a state that says so.
  const bool orphan = answer->inode == 0;
  const bool waiting = answer->state == TCP_ESTABLISHED || answer->state == TCP_SYN_RECV ||
                       answer->state == TCP_CLOSE_WAIT;
  return SocketLook{!orphan || !waiting, orphan && !waiting, answer->unread, answer->unsent};
}

std::optional<BacklogLook> backlog_of(std::uint16_t port) {
  inet_diag_sockid id = any_cookie();
  id.idiag_sport = htons(port);
  id.idiag_src[0] = htonl(INADDR_LOOPBACK);
  const auto answer = ask_about(id);
  if (!answer) return std::nullopt;
  return BacklogLook{answer->unread, answer->unsent};
}

std::optional<std::uint64_t> segments_received(int socket) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return std::nullopt;
  return info.tcpi_data_segs_in;
}

bool can_observe_epoll() {
  static const bool can = [] {
    const Descriptor queue(epoll_create1(EPOLL_CLOEXEC));
    const Descriptor watched(epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN;
    return queue && watched && epoll_ctl(queue.fd(), EPOLL_CTL_ADD, watched.fd(), &event) == 0 &&
           !epoll_masks_of(getpid()).empty();
  }();
  return can;
}

bool can_observe_sockets() {
  static const bool can = [] {
    try {
      const Descriptor listener = listen_on("127.0.0.1", 0);
      const std::string address = local_address(listener.fd());
      const auto port = std::stoi(address.substr(address.rfind(':') + 1));
      return backlog_of(static_cast<std::uint16_t>(port)).has_value();
    } catch (const std::exception&) {
      return false;
    }
  }();
  return can;
}

#else

std::optional<std::size_t> descriptor_limit_of(pid_t) {
  return std::nullopt;
}
bool limit_descriptors_of(pid_t, std::size_t) {
  return false;
}
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
bool can_observe_epoll() {
  return false;
}
bool can_observe_sockets() {
  return false;
}

#endif
