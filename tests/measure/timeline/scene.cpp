#include "tests/measure/timeline/scene.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "common/error.hpp"
#include "tests/kit/client.hpp"
#include "tests/kit/interruption.hpp"
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

// What happened, on the same clock as that of `strace -ttt`.
class Notes {
 public:
  void add(char letter, const char* what) {
    using namespace std::chrono;
    const std::lock_guard lock(mutex_);  // so that they are in order
    const auto now = duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
    char line[64];
    std::snprintf(line, sizeof line, "# %c %lld.%06lld %s\n", letter,
                  static_cast<long long>(now / 1'000'000), static_cast<long long>(now % 1'000'000),
                  what);
    text_ += line;
  }
  const std::string& text() const { return text_; }

 private:
  std::mutex mutex_;
  std::string text_;
};

// A client, which its own thread plays: what it waits for holds up nobody else.
class Player {
 public:
  Player(Notes& notes, std::uint16_t port, char letter)
      : letter_(letter), notes_(notes), client_(context_, {.port = port}) {
    context_.set_timeout(std::chrono::seconds(30));
    note("connects");
    if (letter == 'E' &&
        setsockopt(client_.socket(), SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof buffer_size) < 0)
      throw CallFailed("setsockopt(SO_RCVBUF)", errno, client_.socket());
  }

  // Each time is one since all have connected. Throws Failed.
  void play(Clock::time_point start) {
    start_ = start;
    const std::string split = get_request("/echo/halves");
    const std::size_t half = split.size() / 2;
    switch (letter_) {
      case 'A':
        ask(milliseconds(150), get_request("/row"));
        break;
      case 'B':
        say(milliseconds(0), "begins", split.substr(0, half));
        ask(milliseconds(500), split.substr(half));
        break;
      case 'C':
        for (int i = 0; i < 8; ++i) ask(milliseconds(40 + 100 * i), get_request("/"));
        break;
      case 'D':
        ask(milliseconds(420), get_request("/spin/100"));
        break;
      case 'E':
        say(milliseconds(80), "asks", get_request("/bytes/" + std::to_string(long_response)));
        read_slowly();
        break;
    }
    client_.close();
    note("leaves");
  }

 private:
  void note(const char* what) { notes_.add(letter_, what); }

  void say(milliseconds at, const char* what, const std::string& bytes) {
    std::this_thread::sleep_until(start_ + at);
    note(what);
    client_.send(bytes);
  }

  void ask(milliseconds at, const std::string& bytes) {
    say(at, "asks", bytes);
    client_.expect_response(200);
    note("has its answer");
  }

  // A mouthful at a time, or what there is of it. What is noted again and again is noted once.
  void read_slowly() {
    const char* last = "";
    const auto note_once = [&](const char* what) {
      if (std::exchange(last, what) != what) note(what);
    };
    client_.read_head();
    for (std::size_t got = 0; got < long_response; std::this_thread::sleep_for(pause)) {
      if (!client_.something_arrives_within(milliseconds(0))) note_once("waits");
      const std::size_t end = std::min(got + mouthful, long_response);
      do {
        const std::size_t count = client_.read_some(end - got);
        if (count == 0) context_.fail("E's answer ended early");
        got += count;
      } while (got < end && client_.something_arrives_within(milliseconds(0)));
      note_once("reads");
    }
    note("has its answer");
  }

  char letter_;
  Notes& notes_;
  Context context_{Tested{}};
  Client client_;
  Clock::time_point start_ = {};
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

  Notes notes;
  std::deque<Player> players;
  for (const CastMember& one : cast())
    players.emplace_back(notes, local_port(listener.fd()), one.letter);
  std::vector<std::future<void>> parts;
  for (Player& one : players)
    parts.push_back(std::async(std::launch::async, &Player::play, &one, Clock::now()));
  for (std::future<void>& part : parts) part.get();
  throw_if_interrupted();

  // strace heeds no signal while it follows a command: it ends when that has ended.
  for (const pid_t traced : children_of(tracer.pid())) kill(traced, SIGTERM);
  if (tracer.wait_for_end(default_timeout) != 0) throw StartFailed(server + " did not end well");
  std::ofstream trace(file, std::ios::app);
  trace << machine_header() << "# server: " << server << "\n" << notes.text();
  if (!trace.flush()) throw CallFailed("write", errno);
}
