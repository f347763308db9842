#include "tests/measure/timeline/scene.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.hpp"
#include "tests/kit/client.hpp"
#include "tests/measure/bench/machine.hpp"
#include "tests/measure/client_group.hpp"
#include "tests/measure/server.hpp"

using namespace two_ways;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr CastMember everybody[] = {{'A', "/row"},
                                    {'B', "in two halves"},
                                    {'C', "/ every 100 ms"},
                                    {'D', "/spin/100"},
                                    {'E', "reads slowly"}};

constexpr unsigned backend_delay = 300;  // milliseconds
constexpr int buffer_size = 128 * 1024;  // room for a mouthful, not for E's whole answer

// E takes so much of its four million bytes at a time, and so often.
constexpr std::size_t long_response = 4'000'000;
constexpr std::size_t mouthful = 200'000;
constexpr milliseconds pause(30);

struct Step {
  milliseconds at;  // since all have connected
  char letter;
  std::string bytes;
  bool is_whole = true;  // a request ends with these bytes
};

std::vector<Step> script() {
  const std::string split = get_request("/echo/halves");
  const std::size_t half = split.size() / 2;
  std::vector<Step> steps = {
      {milliseconds(0), 'B', split.substr(0, half), false},
      {milliseconds(80), 'E', get_request("/bytes/" + std::to_string(long_response))},
      {milliseconds(150), 'A', get_request("/row")},
      {milliseconds(420), 'D', get_request("/spin/100")},
      {milliseconds(500), 'B', split.substr(half)}};
  for (int i = 0; i < 8; ++i) steps.push_back({milliseconds(40 + 100 * i), 'C', get_request("/")});
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& one, const Step& other) { return one.at < other.at; });
  return steps;
}

// A client of the scene, and what it still has to do.
struct Player {
  Player(Context& context, std::uint16_t port, char its_letter)
      : letter(its_letter), client(context, {.port = port}) {}

  char letter;
  Client client;
  std::size_t steps_left = 0;
  std::size_t unanswered = 0;
  std::size_t bytes_left = 0;       // of a long answer
  Clock::time_point reads_at = {};  // not before
  bool hears = false;               // something has arrived
  std::string_view last_words;      // of one who reads in pieces
  bool has_left = false;
};

class Scene {
 public:
  explicit Scene(std::uint16_t port) : steps_(script()) {
    for (const CastMember& one : everybody) {
      players_.emplace_back(context_, port, one.letter);
      note(players_.back(), "connects");
    }
    for (const Step& step : steps_) ++player(step.letter).steps_left;
    Player& slow = player('E');
    if (setsockopt(slow.client.socket(), SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof buffer_size) <
        0)
      throw CallFailed("setsockopt(SO_RCVBUF)", errno, slow.client.socket());
  }

  // Until the last one has left. Who waits too long fails in its own words.
  void play() {
    start_ = Clock::now();
    const auto end = start_ + std::chrono::seconds(30);
    while (next_ < steps_.size() || !is_over()) {
      stop_if_interrupted();
      if (Clock::now() > end) context_.fail("the scene is not over after 30 s");
      wait();
      while (next_ < steps_.size() && start_ + steps_[next_].at <= Clock::now())
        take(steps_[next_++]);
      for (Player& one : players_)
        if (one.hears) listen_to(one);
    }
  }

  const std::string& events() const { return events_; }

 private:
  Player& player(char letter) { return players_[static_cast<std::size_t>(letter - 'A')]; }

  // The same clock as that of `strace -ttt`.
  void note(const Player& one, const char* what) {
    using namespace std::chrono;
    const auto now = duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
    char line[64];
    std::snprintf(line, sizeof line, "# %c %lld.%06lld %s\n", one.letter,
                  static_cast<long long>(now / 1'000'000), static_cast<long long>(now % 1'000'000),
                  what);
    events_ += line;
  }

  bool is_over() const {
    return std::all_of(players_.begin(), players_.end(),
                       [](const Player& one) { return one.has_left; });
  }

  static bool is_readable(const Player& one) {
    pollfd entry{one.client.socket(), POLLIN, 0};
    return ::poll(&entry, 1, 0) > 0;
  }

  // What is said again and again is said once.
  void say(Player& one, const char* what) {
    if (std::exchange(one.last_words, what) != what) note(one, what);
  }

  // Until the next step, the next mouthful, or until somebody hears something.
  void wait() {
    auto until = Clock::now() + milliseconds(100);
    if (next_ < steps_.size()) until = std::min(until, start_ + steps_[next_].at);
    std::vector<pollfd> watched;
    for (Player& one : players_) {
      const bool rests = one.reads_at > Clock::now();
      if (rests) until = std::min(until, one.reads_at);
      if (!rests && one.bytes_left > 0 && !is_readable(one)) say(one, "waits");
      watched.push_back({one.has_left || rests ? -1 : one.client.socket(), POLLIN, 0});
    }
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    const int timeout = static_cast<int>(std::max<milliseconds::rep>(left, 0));
    if (poll(watched.data(), static_cast<nfds_t>(watched.size()), timeout) < 0 && errno != EINTR)
      throw CallFailed("poll", errno);
    for (std::size_t i = 0; i < watched.size(); ++i) players_[i].hears = watched[i].revents != 0;
  }

  void take(const Step& step) {
    Player& one = player(step.letter);
    note(one, step.is_whole ? "asks" : "begins");
    // Not send(), which reads as well: an answer that it takes in would wake nobody here.
    if (one.client.offer(step.bytes) != step.bytes.size()) context_.fail("a request did not leave");
    --one.steps_left;
    one.unanswered += step.is_whole ? 1 : 0;
  }

  void listen_to(Player& one) {
    if (one.letter == 'E')
      read_slowly(one);
    else
      read_responses(one);
    if (one.steps_left > 0 || one.unanswered > 0) return;
    one.client.close();
    one.has_left = true;
    note(one, "leaves");
  }

  void read_responses(Player& one) {
    do {
      one.client.expect_response(200);
      note(one, "has its answer");
    } while (--one.unanswered > 0 && one.client.something_arrives_within(milliseconds(0)));
  }

  // From the socket itself: what a Client has taken in already, poll does not tell of.
  void read_slowly(Player& one) {
    std::string bytes(mouthful, ' ');
    std::size_t count = 0;
    for (ssize_t got = 1; got > 0 && count < mouthful; count += static_cast<std::size_t>(got)) {
      got = recv(one.client.socket(), bytes.data() + count, mouthful - count, 0);
      if (got == 0) context_.fail("E's answer ended early");
      got = std::max<ssize_t>(got, 0);  // EAGAIN: that is all for now
    }
    if (one.bytes_left == 0) one.bytes_left = bytes.find("\r\n\r\n") + 4 + long_response;
    one.bytes_left -= std::min(count, one.bytes_left);
    say(one, "reads");
    one.reads_at = Clock::now() + pause;
    if (one.bytes_left > 0) return;
    --one.unanswered;
    note(one, "has its answer");
  }

  Context context_{Tested{}};
  std::vector<Step> steps_;
  std::size_t next_ = 0;
  std::vector<Player> players_;
  Clock::time_point start_ = {};
  std::string events_;
};

// Our listener, so that its buffers can be small, and nobody has to find a port.
Descriptor make_listener() {
  Descriptor listener = listen_on("127.0.0.1", 0);
  if (setsockopt(listener.fd(), SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof buffer_size) < 0)
    throw CallFailed("setsockopt(SO_SNDBUF)", errno, listener.fd());
  return listener;
}

// The calls that a picture shows. With --seccomp-bpf the others are not even slowed down, and so
// /spin, which looks at a clock again and again, takes as long as it says.
constexpr const char* calls =
    "trace=accept,accept4,fcntl,connect,recvfrom,read,sendto,write,shutdown,close,"
    "poll,ppoll,select,pselect6,epoll_ctl,epoll_wait,epoll_pwait,futex";

}  // namespace

std::span<const CastMember> cast() {
  return everybody;
}

void play_scene(const std::string& directory, const std::string& server, const std::string& file) {
  const Server backend = start_backend(directory, backend_delay);
  const Descriptor listener = make_listener();
  ChildProcess tracer(
      {"strace", "-f", "--seccomp-bpf", "-ttt", "-T", "-s", "20", "-e", "signal=none", "-e", calls,
       "-o", file, directory + "/" + server, "-b", std::to_string(backend.port)},
      listener.fd(), {"LISTEN_FDS=1"});
  tracer.wait_until_ready(default_timeout);

  Scene scene(local_port(listener.fd()));
  scene.play();

  // strace heeds no signal while it follows a command: it ends when that has ended.
  for (const pid_t traced : children_of(tracer.pid())) kill(traced, SIGTERM);
  if (tracer.wait_for_end(default_timeout) != 0) throw StartFailed(server + " did not end well");
  std::ofstream trace(file, std::ios::app);
  trace << machine_header() << "# server: " << server << "\n" << scene.events();
  if (!trace.flush()) throw CallFailed("write", errno);
}
