// The three code shapes answer byte for byte the same: random streams of requests, cut at random,
// over sockets with tiny buffers, to the straight line, the continuations and the coroutine.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "blocking/straight_line.hpp"
#include "common/conversation.hpp"
#include "nonblocking/await_conversation.hpp"
#include "tests/unit/reference.hpp"
#include "tests/unit/socket_pair.hpp"
#include "tests/unit/test_context.hpp"

namespace {

// -- the shapes, each as "serve this client to its end" --

// The least loop there can be: one conversation, one wait.
template <class Shape>
void serve_by_turns(Descriptor socket, Context& context) {
  std::optional<Wait> wait = Wait{socket.fd(), Interest::readable};
  Shape conversation(std::move(socket), context);
  while (wait) {
    pollfd watched{wait->fd,
                   static_cast<short>(wait->interest == Interest::readable ? POLLIN : POLLOUT), 0};
    const int ready = poll(&watched, 1, 5000);
    if (ready == 0) return;  // the client will see the end of the stream too early
    wait = conversation.resume().wait;
  }
}

struct Shape {
  const char* name;
  Blocking blocking;
  void (*serve)(Descriptor socket, Context& context);
};

constexpr Shape shapes[] = {
    {"the straight line", Blocking::yes,
     [](Descriptor socket, Context& context) { serve_client(socket.fd(), Seconds(10), context); }},
    {"the continuations", Blocking::no, serve_by_turns<Conversation>},
    {"the coroutine", Blocking::no, serve_by_turns<AwaitConversation>},
};

// -- the client --

struct Script {
  std::string stream;
  std::vector<std::size_t> cuts;  // how much is sent at a time
  int buffer = 0;
  int max_kept = 0;  // in the pool
};

// Sends the script, ends its stream, reads until the server ends its own, and closes.
std::string talk(const Script& script, Descriptor client) {
  std::string got;
  std::string_view rest = script.stream;
  std::size_t piece = 0;
  bool goes_on = true;
  bool sends = true;
  while (goes_on) {
    if (sends && rest.empty()) {
      shutdown(client.fd(), SHUT_WR);
      sends = false;
    }
    pollfd watched{client.fd(), static_cast<short>(sends ? POLLIN | POLLOUT : POLLIN), 0};
    if (poll(&watched, 1, 5000) <= 0) return got + "(and then nothing for five seconds)";
    if ((watched.revents & POLLOUT) != 0 && sends) {
      const std::size_t most = script.cuts[piece++ % script.cuts.size()];
      const ssize_t count = send_some(client.fd(), rest.substr(0, most));
      if (count < 0 && !is_not_ready(errno)) sends = false;  // it closes: answers may be here
      if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
    }
    if ((watched.revents & ~POLLOUT) != 0) goes_on = read_what_is_there(client.fd(), got, 700);
  }
  return got;
}

std::string responses_of(const Shape& shape, const Script& script, std::uint16_t backend_port) {
  TestContext world(backend_port, script.max_kept);
  SocketPair pair = make_pair(shape.blocking, script.buffer);
  std::thread server([&] { shape.serve(std::move(pair.server), world.context); });
  std::string got = talk(script, std::move(pair.client));
  server.join();
  return got;
}

// -- a backend that answers at once, in several ways --

std::string row_for(std::string_view target) {
  return "row for " + std::string(target) + "\n";
}

class Backend {
 public:
  Backend() : listener_(listen_on("127.0.0.1", 0)), thread_([this] { serve(); }) {}
  ~Backend() {
    done_ = true;
    { const Descriptor last = connect_blocking(port(), std::chrono::seconds(1)); }
    thread_.join();
  }
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  std::uint16_t port() const { return local_port(listener_.fd()); }

 private:
  void serve() {
    while (!done_) {
      if (!is_ready(listener_.fd(), POLLIN, 1000)) continue;
      const Descriptor client = accept_client(listener_.fd(), Blocking::yes);
      if (client) answer(client);
    }
  }

  void answer(const Descriptor& client) const {
    std::string question;
    std::array<char, 4096> room;
    while (question.find("\r\n\r\n") == std::string::npos) {
      const ssize_t count = receive(client.fd(), room);
      if (count <= 0) return;
      question.append(room.data(), static_cast<std::size_t>(count));
    }
    const std::size_t begin = question.find(' ') + 1;
    const std::string row = row_for(question.substr(begin, question.find(' ', begin) - begin));
    std::string text = "HTTP/1.0 200 OK\r\n";
    if (row.size() % 2 == 0) text += "Content-Length: " + std::to_string(row.size()) + "\r\n";
    text += "\r\n" + row;
    const std::size_t half = text.size() / 2;
    (void)send_some(client.fd(), std::string_view(text).substr(0, half));
    if (row.size() % 3 == 0) std::this_thread::yield();
    (void)send_some(client.fd(), std::string_view(text).substr(half));
  }

  Descriptor listener_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

// -- random scripts --

std::string random_target(std::mt19937& random) {
  const auto number = [&random](unsigned most) { return std::to_string(random() % most); };
  const auto which = random() % 12;
  if (which < 2) return "/";
  if (which < 5) return "/echo/" + number(1'000'000);
  if (which < 6)
    return "/echo/" + std::string(random() % 4090, static_cast<char>('a' + random() % 26));
  if (which < 7) return "/bytes/" + number(300);
  if (which < 8) return "/bytes/" + number(60'000);
  if (which < 10) return "/row?" + number(1'000);
  return which < 11 ? "/bytes/none" : "/unknown" + number(100);
}

std::string random_request(std::mt19937& random) {
  const auto one_in = [&random](unsigned n) { return random() % n == 0; };
  const bool is_old = one_in(8);
  std::string text = one_in(20) ? "\r\n" : "";
  text += one_in(6) ? "HEAD " : one_in(60) ? "POST " : "GET ";
  text += random_target(random) + (is_old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  if (!one_in(60)) text += "Host: a\r\n";
  if (is_old && !one_in(4)) text += "Connection: keep-alive\r\n";
  if (one_in(40)) text += "Connection: close\r\n";
  if (one_in(10)) text += "X: " + std::string(random() % 5000, 'x') + "\r\n";
  if (one_in(80)) text += "Content-Length: 5\r\n";
  return text + (one_in(100) ? "\n" : "\r\n");
}

Script random_script(std::mt19937& random) {
  Script script;
  for (auto count = random() % 12; count > 0; --count) script.stream += random_request(random);
  if (random() % 4 == 0) script.stream.resize(script.stream.size() - script.stream.size() % 97);
  if (random() % 20 == 0) script.stream += std::string(random() % 9000, 'z');
  constexpr std::size_t sizes[] = {1, 7, 40, 300, 2000, 10'000, 100'000};
  for (int i = 0; i < 5; ++i)
    script.cuts.push_back(1 + random() % sizes[random() % std::size(sizes)]);
  constexpr int buffers[] = {0, 1, 4096, 20'000};
  script.buffer = buffers[random() % std::size(buffers)];
  script.max_kept = static_cast<int>(random() % 3);
  return script;
}

// Where two texts part, for the message.
std::string difference(const std::string& got, const std::string& expected) {
  std::size_t at = 0;
  while (at < got.size() && at < expected.size() && got[at] == expected[at]) ++at;
  const std::size_t from = at < 60 ? 0 : at - 60;
  return "they part at byte " + std::to_string(at) + "; got\n  " + shown(got.substr(from, 200)) +
         "\nexpected\n  " + shown(expected.substr(from, 200));
}

void compare_shapes(unsigned seed, std::uint16_t backend_port, const RowSource& row) {
  std::mt19937 random(seed);
  const Script script = random_script(random);
  const std::string expected = without_dates(reference_responses(script.stream, row));
  for (const Shape& shape : shapes) {
    const std::string got = without_dates(responses_of(shape, script, backend_port));
    if (got == expected) continue;
    FAIL_CHECK("seed " << seed << ": " << shape.name
                       << " answers otherwise than the reference: " << difference(got, expected)
                       << "\nto this stream:\n  " << shown(script.stream) << "\nbuffer "
                       << script.buffer << ", kept " << script.max_kept);
  }
}

// One script of a seed that was printed once: UNIT_SEED=4711 build/tests/unit -tc='shapes*'
unsigned first_seed() {
  const char* wanted = std::getenv("UNIT_SEED");
  if (wanted == nullptr) return std::random_device()();
  return static_cast<unsigned>(std::strtoul(wanted, nullptr, 10));
}

void compare_many(unsigned count, std::uint16_t backend_port, const RowSource& row) {
  const unsigned seed = first_seed();
  INFO("to repeat: UNIT_SEED=" << seed << " build/tests/unit -tc='shapes*'");
  for (unsigned i = 0; i < count; ++i) compare_shapes(seed + i, backend_port, row);
  CHECK(true);
}

}  // namespace

TEST_CASE(
    "shapes: three code shapes give the same responses, byte for byte (2000 scripts, no backend)") {
  compare_many(2000, 0, nullptr);
}

TEST_CASE("shapes: three code shapes give the same responses, byte for byte (1000 scripts, rows)") {
  const Backend backend;
  compare_many(1000, backend.port(), row_for);
}
