// slow_backend — the pretend database. It answers every request after the same delay, however
// many wait at once, and spends the delay doing nothing.
//
// A request that is being delayed is in a queue, not in the list that poll looks at. All delays
// are equal, so the queue is in order of time by itself, and nobody ever searches it.
#include <poll.h>

#include <cerrno>
#include <cstdio>
#include <list>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "common/acceptor.hpp"
#include "common/context.hpp"
#include "common/http_codec.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose =
    "Answers every request after a delay, like a database that must look first.";

// One client, in one of two lists: delayed_, or watched_askers_ while it is to send its request or
// to take its response.
struct Asker {
  Descriptor socket;
  HttpCodec codec;
  Interest interest = Interest::readable;
  Time due;  // delayed: when to answer; watched: when to give up
};

class SlowBackend {
 public:
  SlowBackend(Acceptor& acceptor, int stop, const Options& options, Context& context)
      : context_(context),
        stop_descriptor_(stop),
        acceptor_(acceptor),
        delay_(options.delay),
        time_limit_(options.idle_limit) {
    make_room();
  }

  void run() {
    while (!acceptor_.is_closed() || !delayed_.empty() || !watched_askers_.empty()) {
      list_watched();
      const int timeout = milliseconds_until(next_deadline(), Clock::now());
      int ready = poll(watched_.data(), static_cast<nfds_t>(watched_.size()), timeout);
      if (ready < 0) ready = excuse_failed_poll(watched_, errno);
      now_ = Clock::now();
      Counters::count(context_.counters.wakeups);
      if (ready > 0) serve_watched();
      while (!delayed_.empty() && delayed_.front().due <= now_) {
        const Place asker = delayed_.begin();
        watched_askers_.splice(watched_askers_.end(), delayed_, asker);
        asker->due = now_ + duration(time_limit_);  // until then it has time to take its response
        take_turn(asker, &SlowBackend::answer);
      }
      while (!watched_askers_.empty() && watched_askers_.front().due <= now_)
        end(watched_askers_.begin());
      if (context_.draining) stop();
    }
  }

 private:
  using Askers = std::list<Asker>;
  using Place = Askers::iterator;

  // -- waiting --

  void list_watched() {
    watched_.clear();
    // Not context_.draining: the signal may have come since it was asked, and poll must end at
    // once.
    watched_.push_back({acceptor_.is_closed() ? nobody : stop_descriptor_, POLLIN, 0});
    watched_.push_back({acceptor_.is_accepting(now_) ? acceptor_.fd() : nobody, POLLIN, 0});
    for (const Asker& asker : watched_askers_) {
      const short events = asker.interest == Interest::readable ? POLLIN : POLLOUT;
      watched_.push_back({asker.socket.fd(), events, 0});
    }
  }

  // Whoever's wait began first stands at the front of its list.
  std::optional<Time> next_deadline() const {
    std::optional<Time> next = acceptor_.resumes_at(now_);
    for (const Askers* list : {&delayed_, &watched_askers_})
      if (!list->empty()) next = earlier(next, list->front().due);
    return next;
  }

  void serve_watched() {
    Place next = watched_askers_.begin();
    for (std::size_t i = first_asker_entry; i < watched_.size(); ++i) {
      const Place asker = next++;
      if (watched_[i].revents == 0) continue;
      take_turn(asker, asker->interest == Interest::readable ? &SlowBackend::read
                                                             : &SlowBackend::send_response);
    }
    if (watched_[listener_entry].revents != 0) accept_askers();
  }

  void accept_askers() try {
    while (Descriptor socket = acceptor_.next_client(now_)) {
      make_room();
      watched_askers_.push_back({std::move(socket), HttpCodec(context_), Interest::readable,
                                 now_ + duration(time_limit_)});
      Counters::count(context_.counters.accepted);
    }
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  // So that list_watched() does not fail.
  void make_room() {
    const std::size_t needed = first_asker_entry + watched_askers_.size() + delayed_.size() + 1;
    if (watched_.capacity() < needed) watched_.reserve(2 * needed);
  }

  // -- one asker; `asker` is in watched_askers_ --

  // Without memory, its conversation is over.
  void take_turn(Place asker, void (SlowBackend::*turn)(Place)) try {
    (this->*turn)(asker);
  } catch (const std::bad_alloc&) {
    end(asker);
  }

  void read(Place asker) {
    const bool was_silent = !asker->codec.is_inside_request();
    const ssize_t count = receive(asker->socket.fd(), asker->codec.room());
    const bool may_come = count < 0 && is_not_ready(errno);
    asker->codec.received(count);
    if (may_come) return;
    if (count <= 0) return end(asker);
    if (was_silent) renew(asker);
    go_on(asker);
  }

  // Delays the next request if it is there, and waits for it otherwise.
  void go_on(Place asker) {
    if (asker->codec.next_request()) return delay(asker);
    if (asker->codec.has_output()) return send_response(asker);  // a refusal
    asker->interest = Interest::readable;
  }

  // Its time starts anew. Not with every byte of an unfinished request: that would take for ever.
  void renew(Place asker) {
    asker->due = now_ + duration(time_limit_);
    watched_askers_.splice(watched_askers_.end(), watched_askers_, asker);
  }

  void delay(Place asker) {
    asker->due = now_ + duration(delay_);
    delayed_.splice(delayed_.end(), watched_askers_, asker);
  }

  void answer(Place asker) {
    const std::optional<Request> request = asker->codec.next_request();
    if (!request) return end(asker);
    const std::string_view target = request->target.substr(0, max_text / 2);
    char text[max_text];
    const int size =
        std::snprintf(text, sizeof text, "row for %.*s after %g ms\n",
                      static_cast<int>(target.size()), target.data(), delay_.count() * 1000);
    asker->codec.respond(*request, {.text = {text, static_cast<std::size_t>(size)}});
    send_response(asker);
  }

  void send_response(Place asker) {
    const ssize_t count = send_some(asker->socket.fd(), asker->codec.output());
    if (count < 0 && !is_not_ready(errno)) return end(asker);
    if (count > 0) asker->codec.sent(static_cast<std::size_t>(count));
    if (count > 0) renew(asker);
    asker->interest = Interest::writable;
    if (asker->codec.has_output()) return;
    if (asker->codec.is_closing()) return end(asker);
    go_on(asker);
  }

  void end(Place asker) {
    watched_askers_.erase(asker);
    Counters::count(context_.counters.closed);
  }

  // Whoever has asked is answered first.
  void stop() {
    acceptor_.close();
    for (Place next = watched_askers_.begin(); next != watched_askers_.end();) {
      const Place asker = next++;
      if (asker->interest == Interest::readable) end(asker);
    }
  }

  static Clock::duration duration(Seconds seconds) {
    return std::chrono::duration_cast<Clock::duration>(seconds);
  }

  static constexpr std::size_t listener_entry = 1;
  static constexpr std::size_t first_asker_entry = 2;
  static constexpr int nobody = -1;  // poll passes over a negative descriptor

  Context& context_;
  const int stop_descriptor_;
  Acceptor& acceptor_;
  const Seconds delay_;
  const Seconds time_limit_;
  Askers watched_askers_;
  Askers delayed_;
  std::vector<pollfd> watched_;
  Time now_ = Clock::now();
};

void run_backend(int argc, char** argv) {
  const Options options = read_options(argc, argv, "apdth", purpose);
  Acceptor acceptor(open_listener(options), Blocking::no);
  Counters counters;
  Signals signals(counters);
  Context context{.handle = {}, .draining = signals.stop_requested(), .counters = counters};
  SlowBackend backend(acceptor, signals.stop_descriptor(), options, context);
  announce(acceptor.fd());
  backend.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_backend);
}
