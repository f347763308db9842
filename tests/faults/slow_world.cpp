// Thousands of clients that send or take one byte a second, and a few good ones.
//
// The good clients' requests are timed while it is quiet, and again in the slow world, in slices
// that take turns with those of another quiet server: what slows the whole machine down slows
// both. The 99th percentile may be twice the quiet one. On a machine too busy to judge, the quiet
// slices differ among themselves.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/behaviour/lessons.hpp"
#include "tests/faults/runs.hpp"
#include "tests/kit/client.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using Times = std::vector<double>;  // microseconds

Descriptor newcomer(Context& context, std::uint16_t port, std::string_view words, bool small) {
  Descriptor client = connect_blocking(port, std::chrono::seconds(10));
  context.expect(static_cast<bool>(client), "a client cannot connect");
  const int least = 1;
  if (small) (void)setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
  context.expect(std::cmp_equal(send_some(client.fd(), words), words.size()), "it cannot send");
  return client;
}

// tick() lets one five-hundredth of a second pass for them.
class SlowWorld {
 public:
  SlowWorld(Context& context, std::size_t each) : context_(context) {
    const std::uint16_t port = context.server().port();
    for (std::size_t i = 0; i < each; ++i) {
      senders_.push_back(newcomer(context, port, "GET / HTTP/1.1\r\nHost: x\r\nX: ", false));
      readers_.push_back(newcomer(context, port, get_request("/bytes/1000000"), true));
    }
  }

  void tick() {
    const std::size_t end = std::min(senders_.size(), place_ + (senders_.size() + 499) / 500);
    for (; place_ < end; ++place_) {
      char byte;
      context_.expect(send_some(senders_[place_].fd(), "x") == 1, "a slow sender has been closed");
      context_.expect(recv(readers_[place_].fd(), &byte, 1, 0) == 1,
                      "a slow reader has been closed");
    }
    if (place_ == senders_.size()) place_ = 0;
  }

 private:
  Context& context_;
  std::vector<Descriptor> senders_;
  std::vector<Descriptor> readers_;
  std::size_t place_ = 0;
};

// What one answer takes, without the bookkeeping of a Client.
double ask(Context& context, const Descriptor& client) {
  const auto begin = Clock::now();
  bool goes_on = send_some(client.fd(), get_request("/echo/good")) > 0;
  std::array<char, 1024> room;
  for (std::string answer; goes_on && !answer.ends_with("\r\n\r\ngood");) {
    const ssize_t count = receive(client.fd(), room);
    goes_on = count > 0;
    answer.append(room.data(), goes_on ? static_cast<std::size_t>(count) : 0);
  }
  context.expect(goes_on, "a good client is not served");
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

double p99(Times times) {
  std::sort(times.begin(), times.end());
  return times[times.size() * 99 / 100];
}

// Half a second, in steps of two milliseconds, with four requests in each.
void measure(Context& context, const Descriptor& client, SlowWorld* world, Times& times) {
  auto next = Clock::now();
  for (int step = 0; step < 250; ++step) {
    if (world != nullptr) world->tick();
    for (int i = 0; i < 4; ++i) times.push_back(ask(context, client));
    next += std::chrono::milliseconds(2);
    std::this_thread::sleep_until(next);
  }
}

void compare(Context& context) {
  // Each client takes a descriptor on this side, and one in the server.
  const std::size_t each = std::min<std::size_t>(5000, (descriptor_limit() - 100) / 2);
  context.scene("I timed requests while " + std::to_string(each) +
                    " clients sent a byte a second and as many took one, and while it was quiet.",
                "99 of 100 are answered within twice the time that they take while it is quiet.");
  Launch launch;
  launch.arguments = {"-t", "3600"};
  ChildProcess quiet_server(context.tested().path, launch);
  context.start(launch);
  const Descriptor quiet = newcomer(context, quiet_server.port(), "", false);
  const Descriptor good = newcomer(context, context.server().port(), "", false);
  SlowWorld world(context, each);
  Times first;
  Times second;
  Times slow;
  for (int slice = 0; slice < 12; ++slice) {
    measure(context, quiet, nullptr, slice % 2 == 0 ? first : second);
    measure(context, good, &world, slow);
  }
  const auto [least, most] = std::minmax({p99(first), p99(second)});
  char words[100];
  std::snprintf(words, sizeof words, "quiet %.0f and %.0f us, in the slow world %.0f us",
                p99(first), p99(second), p99(slow));
  if (p99(slow) > 2 * most && most > 1.2 * least) throw Inconclusive{words};
  context.expect(p99(slow) <= 2 * most, words);
  std::printf("ok  slow world, %s\n", words);
}

}  // namespace

const Check& slow_world_check() {
  static const Check check = {.id = "P02",
                              .title = "good clients among ten thousand slow ones",
                              .models = queue_loops,
                              .hint = "what does a client cost that is not ready?",
                              .lesson = lesson::being_told,
                              .run = compare};
  return check;
}
