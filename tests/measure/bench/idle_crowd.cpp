#include "tests/measure/bench/idle_crowd.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>

#include "common/error.hpp"
#include "tests/measure/client_group.hpp"

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace {

constexpr int patience_ms = 60'000;

using Report = std::array<char, 160>;  // what went wrong, up to a zero

Report connect_up_to(ClientGroup& clients, std::size_t count) {
  std::string problem;
  try {
    if (count > clients.clients()) clients.connect(count - clients.clients());
    problem = clients.failure();
  } catch (const std::exception& failure) {
    problem = failure.what();
  }
  Report report{};
  std::copy_n(problem.data(), std::min(problem.size(), report.size() - 1), report.data());
  return report;
}

// The process of the crowd. Between two orders it sleeps in read.
[[noreturn]] void live(std::uint16_t port, int orders, int reports) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  LoadLoop loop;
  ClientGroup clients(loop, port);
  for (std::size_t count = 0; read(orders, &count, sizeof count) == sizeof count;) {
    const Report report = connect_up_to(clients, count);
    if (write(reports, report.data(), report.size()) < 0) break;
  }
  _exit(0);  // nothing that was inherited is ours to tidy up
}

void open_pipe(Descriptor& read_end, Descriptor& write_end) {
  int ends[2];
  ::open_pipe(ends);
  read_end = Descriptor(ends[0]);
  write_end = Descriptor(ends[1]);
}

}  // namespace

IdleCrowd::IdleCrowd(std::uint16_t port) {
  Descriptor orders;
  Descriptor reports;
  open_pipe(orders, orders_);
  open_pipe(reports_, reports);
  process_ = fork();
  if (process_ < 0) throw CallFailed("fork", errno);
  if (process_ == 0) live(port, orders.fd(), reports.fd());
}

// Not by closing the pipe: a crowd that was made later has inherited its other end.
IdleCrowd::~IdleCrowd() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

std::string IdleCrowd::grow_to(std::size_t count) {
  if (write(orders_.fd(), &count, sizeof count) != sizeof count)
    return describe_failure("write to the idle clients' process", errno);
  pollfd answer{reports_.fd(), POLLIN, 0};
  int ready = 0;
  do ready = poll(&answer, 1, patience_ms);
  while (ready < 0 && errno == EINTR && waitpid(process_, nullptr, WNOHANG) == 0);
  Report report{};
  if (ready <= 0 || read(reports_.fd(), report.data(), report.size()) <= 0)
    return "the idle clients' process does not report";
  return report.data();
}
