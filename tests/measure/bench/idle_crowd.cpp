#include "tests/measure/bench/idle_crowd.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>

#include "common/error.hpp"
#include "tests/measure/client_group.hpp"

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
int live(std::uint16_t port, int orders, int reports) {
  LoadLoop loop;
  ClientGroup clients(loop, port);
  for (std::size_t count = 0; read(orders, &count, sizeof count) == sizeof count;) {
    const Report report = connect_up_to(clients, count);
    if (write(reports, report.data(), report.size()) < 0) break;
  }
  return 0;
}

}  // namespace

IdleCrowd::IdleCrowd(std::uint16_t port)
    : process_(
          [this, port] { return live(port, orders_.read_end.fd(), reports_.write_end.fd()); }) {
  reports_.write_end = Descriptor();  // its own end must be the last
}

std::string IdleCrowd::grow_to(std::size_t count) {
  if (write(orders_.write_end.fd(), &count, sizeof count) != sizeof count)
    return describe_failure("write to the idle clients' process", errno);
  pollfd answer{reports_.read_end.fd(), POLLIN, 0};
  int ready = 0;
  do ready = poll(&answer, 1, patience_ms);
  while (ready < 0 && errno == EINTR && !process_.status_if_ended());
  Report report{};
  if (ready <= 0 || read(reports_.read_end.fd(), report.data(), report.size()) <= 0)
    return "the idle clients' process does not report";
  return report.data();
}
