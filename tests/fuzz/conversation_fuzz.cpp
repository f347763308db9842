// A whole conversation by a schedule. The same schedule is played to the continuations and to the
// coroutine, step by step; what they wait for and what they answer must be the same all the way,
// and in the end, when the client reads on and sends no more, the conversation must end.
//
// A schedule is text, one step a line:
//
//   >TEXT    the client sends TEXT; \r \n \0 \\ stand for the characters
//   *N TEXT  the client sends N times TEXT
//   <N       the client reads up to N bytes
//   .N       the server goes on: up to N turns, as long as its wait is over
//   !        the server is resumed although its wait is not over
//   t        the time for the present wait runs out
//   d        a stop is asked for; from now on the connection drains
//   h        the client ends its stream (half-close)
//   x        the client closes, whatever has not been read
//   bTEXT    the backend sends TEXT to whoever has asked last
//   e        the backend ends its stream there
//   r        the backend resets that connection
//   -B       there is no backend;  -R its port refuses   (either as the first line)
//   -S       small socket buffers                        (likewise)
//
// Anything else is passed over.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>

#include "common/conversation.hpp"
#include "nonblocking/await_conversation.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/unit/reference.hpp"
#include "tests/unit/test_context.hpp"

namespace {

// "\r" as one character. A backslash before anything else stands for itself.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    constexpr std::string_view letters = "rn0\\";
    constexpr std::string_view meanings("\r\n\0\\", 4);
    const bool is_escape = text[i] == '\\' && i + 1 < text.size();
    const std::size_t which = is_escape ? letters.find(text[i + 1]) : std::string_view::npos;
    if (which == std::string_view::npos) {
      result += text[i];
    } else {
      result += meanings[which];
      ++i;
    }
  }
  return result;
}

// Takes a number from the front of `text`; `otherwise` if there is none.
std::size_t take_number(std::string_view& text, std::size_t otherwise, std::size_t most) {
  std::size_t number = otherwise;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  return std::min(number, most);
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

struct Surface {
  bool has_backend = true;
  bool backend_refuses = false;
  bool small_buffers = false;
};

Surface read_surface(std::string_view& schedule) {
  Surface surface;
  while (schedule.starts_with('-')) {
    const std::string_view line = take_line(schedule);
    if (line == "-B") surface.has_backend = false;
    if (line == "-R") surface.backend_refuses = true;
    if (line == "-S") surface.small_buffers = true;
  }
  return surface;
}

// The listener that plays the backend, and a port where nobody listens.
struct Ports {
  // One that is not listened on any more: whoever connects is refused, and nobody else can get it.
  Ports() { (void)shutdown(refusing.fd(), SHUT_RDWR); }

  std::uint16_t of(const Surface& surface) const {
    if (!surface.has_backend) return 0;
    return surface.backend_refuses ? refusing_port : backend_port;
  }

  const Descriptor backend = listen_on("127.0.0.1", 0);
  const std::uint16_t backend_port = local_port(backend.fd());
  const Descriptor refusing = listen_on("127.0.0.1", 0);
  const std::uint16_t refusing_port = local_port(refusing.fd());
};

const Ports& ports() {
  static const Ports shared;
  return shared;
}

// Limits, so that a schedule ends.
constexpr std::size_t most_sent = 64 * 1024;
constexpr std::size_t most_read = 256 * 1024;
constexpr int most_last_turns = 4000;

template <class Shape>
class Player {
 public:
  explicit Player(const Surface& surface)
      : world_(ports().of(surface)),
        pair_(make_pair(Blocking::no, surface.small_buffers ? 1 : 0)),
        wait_(Wait{pair_.server.fd(), Interest::readable}),
        client_socket_(pair_.server.fd()),
        conversation_(std::move(pair_.server), world_.context) {}

  void play(std::string_view schedule) {
    for (int steps = 0; !schedule.empty() && steps < 400; ++steps) play_step(take_line(schedule));
    finish();
    leave_no_asker();
  }

  const std::string& trace() const { return trace_; }          // what it waited for, step by step
  const std::string& sent() const { return sent_; }            // what the client has sent
  const std::string& responses() const { return responses_; }  // what it got
  bool is_undisturbed() const { return undisturbed_; }

 private:
  void play_step(std::string_view line) {
    if (line.empty()) return;
    const char step = line.front();
    line.remove_prefix(1);
    switch (step) {
      case '>':
        return send(unescaped(line), 1);
      case '*': {
        const std::size_t times = take_number(line, 1, 3000);
        return send(unescaped(line.substr(line.starts_with(' ') ? 1 : 0)), times);
      }
      case '<':
        return read(take_number(line, most_read, most_read));
      case '.':
        return go_on(static_cast<int>(take_number(line, 1, 50)));
      case '!':
        if (wait_) turn([this] { return conversation_.resume(); });
        return;
      case 't':
        undisturbed_ = false;
        if (wait_) turn([this] { return conversation_.expire(); });
        return;
      case 'd':
        undisturbed_ = false;
        world_.draining = true;
        return;
      case 'h':
        if (pair_.client) (void)shutdown(pair_.client.fd(), SHUT_WR);
        ended_ = true;
        return;
      case 'x':
        undisturbed_ = false;
        pair_.client = Descriptor();
        return;
      case 'b':
      case 'e':
      case 'r':
        undisturbed_ = false;
        if (has_asker()) act_as_backend(step, unescaped(line));
        return;
      default:
        return;
    }
  }

  // -- the client --

  void send(const std::string& text, std::size_t times) {
    for (; times > 0 && pair_.client && !ended_ && sent_.size() < most_sent; --times) {
      const std::size_t count = send_what_fits(pair_.client.fd(), text);
      sent_.append(text, 0, count);
      if (count < text.size()) return;
    }
  }

  void read(std::size_t most) {
    if (!pair_.client) return;
    if (responses_.size() > most_read) {
      pair_.client = Descriptor();
      undisturbed_ = false;
      return;
    }
    if (!read_what_is_there(pair_.client.fd(), responses_, most)) pair_.client = Descriptor();
  }

  // -- the server --

  bool is_wait_over() const {
    return wait_ && is_ready(wait_->fd, wait_->interest == Interest::readable ? POLLIN : POLLOUT);
  }

  void go_on(int most_turns) {
    for (; most_turns > 0 && is_wait_over(); --most_turns)
      turn([this] { return conversation_.resume(); });
  }

  bool is_at_backend() const { return wait_ && wait_->fd != client_socket_; }

  template <class Act>
  void turn(Act act) {
    take(act());
    // How soon a connection stands is the kernel's business, and no difference between the shapes.
    while (is_at_backend() && wait_->interest == Interest::writable) {
      if (!is_ready(wait_->fd, POLLOUT, 1000)) return;
      trace_.pop_back();
      take(conversation_.resume());
    }
    if (is_at_backend()) {
      wait_for_backend_ = true;
      undisturbed_ = false;
    }
  }

  // Notes a turn: what is waited for now, or that it is over; a capital letter if the client's time
  // starts anew, except at the backend, where that is told a turn sooner or later.
  void take(const Turn& turn) {
    const int watched = wait_->fd;
    wait_ = turn.wait;
    if (turn.closed != (fcntl(watched, F_GETFD) < 0))
      tell_and_abort("what was watched is closed and not told, or told and not closed", trace_);
    char letter = wait_ && wait_->interest == Interest::readable ? 'r' : 'w';
    if (turn.progress == Progress::new_time) letter = static_cast<char>(letter - 32);
    trace_ += !wait_ ? '.' : is_at_backend() ? 'b' : letter;
  }

  // -- the backend --

  // Accepts whoever has asked since.
  bool has_asker() {
    if (is_at_backend() && is_ready(ports().backend.fd(), POLLIN, asker_ ? 0 : 10)) {
      reset(asker_);
      asker_ = accept_client(ports().backend.fd(), Blocking::no);
    }
    return static_cast<bool>(asker_);
  }

  void act_as_backend(char step, const std::string& text) {
    if (step == 'b' && send_what_fits(asker_.fd(), text) == 0) return;
    if (step == 'e' && shutdown(asker_.fd(), SHUT_WR) < 0) return;
    if (step == 'r') reset(asker_);
    // What the backend has done arrives before the next step.
    if (is_at_backend()) (void)is_ready(wait_->fd, POLLIN, 20);
  }

  // -- the end --

  // The client sends no more and reads on; the backend resets whoever asks. So it must end.
  void finish() {
    if (pair_.client) (void)shutdown(pair_.client.fd(), SHUT_WR);
    for (int turns = 0; wait_ && turns < most_last_turns; ++turns) {
      read(most_read);
      if (is_at_backend()) {
        undisturbed_ = false;
        if (has_asker()) reset(asker_);
        (void)is_ready(wait_->fd, POLLIN, 1000);
      }
      if (!is_wait_over()) tell_and_abort("the conversation waits for what cannot come", trace_);
      turn([this] { return conversation_.resume(); });
    }
    if (wait_) tell_and_abort("the conversation does not end", trace_);
    read(most_read);
  }

  // Who has asked and was never accepted would be the next player's backend.
  void leave_no_asker() {
    reset(asker_);
    while (wait_for_backend_) {
      Descriptor forgotten = accept_client(ports().backend.fd(), Blocking::no);
      if (!forgotten) break;
      reset(forgotten);
    }
  }

  TestContext world_;
  SocketPair pair_;
  std::optional<Wait> wait_;
  const int client_socket_;  // its number, for the conversation owns it
  Shape conversation_;
  Descriptor asker_;  // the backend's end of a connection
  bool wait_for_backend_ = false;
  bool ended_ = false;
  bool undisturbed_ = true;  // then the responses depend on the client's bytes only
  std::string sent_;
  std::string responses_;
  std::string trace_;
};

void compare(std::string_view what, const std::string& one, const std::string& other,
             std::string_view input) {
  if (one == other) return;
  tell_and_abort(std::string(what) + " differ:\n  " + shown(one) + "\n  " + shown(other), input);
}

}  // namespace

void fuzz_conversation(std::string_view input) {
  // Burning time or sending a gigabyte finds nothing.
  if (input.find("/spin/") != std::string_view::npos || input.size() > 8192) return;
  std::string_view schedule = input;
  const Surface surface = read_surface(schedule);
  Player<Conversation> continuations(surface);
  continuations.play(schedule);
  Player<AwaitConversation> coroutine(surface);
  coroutine.play(schedule);

  compare("what continuations and coroutine wait for", continuations.trace(), coroutine.trace(),
          input);
  compare("what continuations and coroutine answer", without_dates(continuations.responses()),
          without_dates(coroutine.responses()), input);
  if (continuations.is_undisturbed() && !surface.has_backend)
    compare("the responses and the reference", without_dates(continuations.responses()),
            without_dates(reference_responses(continuations.sent())), input);
}
