// slow_world — thousands of clients that send or take one byte a second, and a few good ones.
//
// Usage: build/slow_world [--build=DIR] [--server=NAME] [--each=COUNT]
//   --server=NAME  default: event_loop
//   --each=COUNT   how many of each kind, default 5000, or as many as descriptors allow
//
// The good clients' requests are timed while it is quiet, and again in the slow world, in slices
// that take turns with those of another quiet server: what slows the whole machine down slows
// both. The 99th percentile may be twice the quiet one. On a machine too busy to judge, the quiet
// slices differ by more than that among themselves, and it is tried again, three times at most.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/program.hpp"
#include "common/socket.hpp"
#include "tests/kit/child_process.hpp"
#include "tests/kit/client.hpp"
#include "tests/kit/observe.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

struct Settings {
  std::string directory;
  std::string server = "event_loop";
  std::size_t each = 5000;
};

void expect(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

Descriptor connected(std::uint16_t port, bool small) {
  Descriptor client = connect_blocking(port, std::chrono::seconds(10));
  expect(static_cast<bool>(client), "a client cannot connect");
  if (small) {
    const int least = 1;
    (void)setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
  }
  return client;
}

void send_all(const Descriptor& client, std::string_view bytes) {
  expect(send(client.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
             static_cast<ssize_t>(bytes.size()),
         "a client cannot send");
}

// A good client, who asks again and again and times the answers.
class GoodClient {
 public:
  explicit GoodClient(std::uint16_t port) : socket_(connected(port, false)) {}

  microseconds ask() {
    const auto begin = Clock::now();
    send_all(socket_, get_request("/echo/good"));
    std::array<char, 1024> room;
    std::string answer;
    while (!answer.ends_with("\r\n\r\ngood")) {
      const ssize_t count = receive(socket_.fd(), room);
      expect(count > 0, "a good client is not served");
      answer.append(room.data(), static_cast<std::size_t>(count));
    }
    return std::chrono::duration_cast<microseconds>(Clock::now() - begin);
  }

 private:
  Descriptor socket_;
};

// Thousands of slow clients; tick() lets one five-hundredth of a second pass for them.
class SlowWorld {
 public:
  SlowWorld(std::uint16_t port, std::size_t each) {
    for (std::size_t i = 0; i < each; ++i) {
      senders_.push_back(connected(port, false));
      readers_.push_back(connected(port, true));
      send_all(senders_.back(), "GET /echo/slow HTTP/1.1\r\nHost: x\r\nX-Slow: ");
      send_all(readers_.back(), get_request("/bytes/1000000"));
    }
  }

  void tick() {
    const std::size_t end = std::min(senders_.size(), place_ + (senders_.size() + 499) / 500);
    for (; place_ < end; ++place_) {
      send_all(senders_[place_], "x");
      char byte;
      expect(recv(readers_[place_].fd(), &byte, 1, 0) == 1, "a slow reader has been closed");
    }
    if (place_ == senders_.size()) place_ = 0;
  }

 private:
  std::vector<Descriptor> senders_;
  std::vector<Descriptor> readers_;
  std::size_t place_ = 0;
};

// The 99th percentile, in microseconds.
double p99(std::vector<microseconds> times) {
  std::sort(times.begin(), times.end());
  return static_cast<double>(times[times.size() * 99 / 100].count());
}

// Half a second, in steps of two milliseconds, with four requests in each.
void measure(GoodClient& client, SlowWorld* world, std::vector<microseconds>& times) {
  auto next = Clock::now();
  for (int step = 0; step < 250; ++step) {
    if (world != nullptr) world->tick();
    for (int i = 0; i < 4; ++i) times.push_back(client.ask());
    next += milliseconds(2);
    std::this_thread::sleep_until(next);
  }
}

struct Ratio {
  double quiet;
  double other_quiet;
  double slow;
};

Ratio compare(const Settings& settings) {
  const std::string program = settings.directory + "/" + settings.server;
  Launch launch;
  launch.arguments = {"-t", "3600"};
  ChildProcess quiet_server(program, launch);
  ChildProcess slow_server(program, launch);
  GoodClient quiet(quiet_server.port());
  GoodClient in_slow_world(slow_server.port());
  SlowWorld world(slow_server.port(), settings.each);
  std::vector<microseconds> first;
  std::vector<microseconds> second;
  std::vector<microseconds> slow;
  for (int slice = 0; slice < 12; ++slice) {
    measure(quiet, nullptr, slice % 2 == 0 ? first : second);
    measure(in_slow_world, &world, slow);
  }
  expect(!slow_server.status_if_ended(), "the server has ended");
  return {p99(first), p99(second), p99(slow)};
}

int judge(const Settings& settings) {
  std::printf("%s, %zu clients that send a byte a second and %zu that take one\n",
              settings.server.c_str(), settings.each, settings.each);
  for (int tries = 1;; ++tries) {
    const Ratio ratio = compare(settings);
    const double quiet = std::max(ratio.quiet, ratio.other_quiet);
    const double unrest = quiet / std::min(ratio.quiet, ratio.other_quiet);
    const double factor = ratio.slow / quiet;
    std::printf("p99 quiet %.0f and %.0f us, in the slow world %.0f us: %.2f times\n", ratio.quiet,
                ratio.other_quiet, ratio.slow, factor);
    if (factor <= 2) return 0;
    if (tries == 3 || unrest < 1.2) {
      std::printf("FAILED  it should be twice at most\n");
      return 1;
    }
    std::printf("the machine is busy: the quiet ones differ by a factor of %.2f; again\n", unrest);
  }
}

bool read_setting(std::string_view word, Settings& settings) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = word.substr(equals + 1);
  if (name == "--build") return settings.directory = value, true;
  if (name == "--server") return settings.server = value, true;
  if (name != "--each") return false;
  const auto result = std::from_chars(value.data(), value.data() + value.size(), settings.each);
  return result.ec == std::errc() && result.ptr == value.data() + value.size();
}

// Each client takes a descriptor on this side, and one in the server.
void fit_descriptors(Settings& settings) {
  settings.each = std::min(settings.each, (raise_descriptor_limit() - 100) / 2);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  Settings settings;
  const std::string self = argv[0];
  settings.directory = self.substr(0, self.rfind('/') + 1) + ".";
  for (int i = 1; i < argc; ++i)
    if (!read_setting(argv[i], settings)) {
      std::fprintf(stderr,
                   "slow_world: what does '%s' mean? (see the top of slow_world_main.cpp)\n",
                   argv[i]);
      return 2;
    }
  fit_descriptors(settings);
  try {
    return judge(settings);
  } catch (const std::exception& trouble) {
    std::printf("FAILED  %s\n", trouble.what());
    return 1;
  }
}
