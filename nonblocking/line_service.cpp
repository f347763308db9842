// line_service — another protocol on the same loop: whoever sends a line gets it back in capitals.
// Begin here to build a service of your own on common/ and event_loop.hpp. Try:
//   build/line_service -p 8080 & sleep 1; echo hello | nc -N localhost 8080
#include <algorithm>
#include <cctype>
#include <string>

#include "common/program.hpp"
#include "common/signals.hpp"
#include "nonblocking/event_loop.hpp"

using namespace two_ways;

// What EventLoop asks of a conversation: to be made of a socket and the context, resume(),
// expire().
class LineConversation {
 public:
  LineConversation(Descriptor client, Context& context)
      : context_(context), client_(std::move(client)) {}

  // While a response is unsent nothing is read, so nobody can make it grow. It closes without
  // lingering (compare common/conversation.cpp): who still sends may lose the last response.
  Turn resume() noexcept try {
    Progress progress = Progress::none;
    if (responses_.empty()) {
      if (!input_) input_ = context_.buffers.borrow();
      input_->compact();
      const ssize_t count = receive(client_.fd(), input_->room());
      if (count == 0 || (count < 0 && !is_not_ready(errno))) return {};  // it is gone: over
      if (count > 0) {
        input_->add(static_cast<std::size_t>(count));
        progress = Progress::some;
      }
      answer_lines();
      if (input_->room().empty() && responses_.empty()) return {};  // too long a line
      if (input_->empty()) input_.reset();
    }
    if (!responses_.empty()) {
      const ssize_t count = send_some(client_.fd(), responses_);
      if (count < 0 && !is_not_ready(errno)) return {};
      if (count > 0) progress = Progress::new_time;
      responses_.erase(0, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
    if (responses_.empty() && context_.draining) return {};
    const Interest next = responses_.empty() ? Interest::readable : Interest::writable;
    return {.wait = Wait{client_.fd(), next}, .progress = progress};
  } catch (const std::bad_alloc&) {
    return {};
  }

  Turn expire() noexcept { return {}; }  // silent for too long: over

 private:
  void answer_lines() {
    for (std::size_t end; (end = input_->bytes().find('\n')) != std::string_view::npos;) {
      for (const char c : input_->bytes().substr(0, end + 1))
        responses_ += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      input_->remove(end + 1);
    }
  }

  Context& context_;
  Descriptor client_;
  BorrowedBuffer input_;
  std::string responses_;
};

static void run_service(int argc, char** argv) {
  const Options options = read_options(argc, argv, "apth", "Each line comes back in capitals.");
  Acceptor acceptor(open_listener(options), Blocking::no);
  Counters counters;
  Signals signals(counters);
  Context context{{}, signals.stop_requested(), counters};
  EventLoop<LineConversation> loop(acceptor, signals.stop_descriptor(), options.idle_limit,
                                   context);
  announce(acceptor.fd());
  loop.run();
}

int main(int argc, char** argv) {
  return run_program(argc, argv, run_service);
}
