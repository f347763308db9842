// find_the_bugs — your file: a poll server that answers when you try it, and has ten bugs. Each is
// of a kind that has been found in a server people used. Try: make grade EX=find_the_bugs
#include <poll.h>

#include <cerrno>
#include <cstddef>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "common/acceptor.hpp"
#include "common/backend.hpp"
#include "common/error.hpp"
#include "common/handler.hpp"
#include "common/http_codec.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: one thread, poll(2), and ten bugs to be found.";

struct Client {
  Descriptor socket;
  HttpCodec codec;
  Time time_started;  // when its time last started anew
};

class PollServer {
 public:
  explicit PollServer(const Options& options)
      : idle_limit_(std::chrono::duration_cast<Clock::duration>(options.idle_limit)),
        acceptor_(open_listener(options), Blocking::yes) {
    watched_.push_back({signals_.stop_descriptor(), POLLIN, 0});
    watched_.push_back({acceptor_.fd(), POLLIN, 0});
    announce(acceptor_.fd());
  }

  void run() {
    while (!acceptor_.is_closed() || !clients_.empty()) {
      watched_[listener_entry].fd = acceptor_.is_accepting(Clock::now()) ? acceptor_.fd() : nobody;
      const int ready = poll(watched_.data(), static_cast<nfds_t>(watched_.size()), timeout());
      if (ready < 0 && !context_.draining) throw CallFailed("poll", errno);
      if (ready < 0) forget_events();  // poll has said nothing; these are of the time before
      now_ = Clock::now();
      Counters::count(counters_.wakeups);
      const bool somebody_comes = watched_[listener_entry].revents != 0;
      // From the back, because the last entry takes the place of one that ends.
      for (std::size_t i = watched_.size(); i-- > first_client;)
        if (watched_[i].revents != 0) serve(i);
      if (somebody_comes) accept_client();
      if (ready == 0) expire_clients();
      if (context_.draining && !acceptor_.is_closed()) stop();
    }
  }

 private:
  // -- clients come and go --

  void accept_client() try {
    Descriptor socket = ::accept_client(acceptor_.fd(), Blocking::yes);
    if (!socket) return;
    watched_.reserve(watched_.size() + 1);
    const int fd = socket.fd();
    clients_.push_back({std::move(socket), HttpCodec(context_), now_});
    watched_.push_back({fd, POLLIN, 0});
    Counters::count(counters_.accepted);
  } catch (const std::bad_alloc&) {
    acceptor_.pause(now_);
  }

  void remove(std::size_t entry) {
    std::swap(watched_[entry], watched_.back());
    watched_.pop_back();
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(entry - first_client));
    Counters::count(counters_.closed);
  }

  // -- one client's turn --

  void serve(std::size_t entry) {
    Client& client = clients_[entry - first_client];
    const short events = watched_[entry].revents;
    if ((events & (POLLERR | POLLHUP)) != 0) return;  // these were not asked for
    bool goes_on = true;
    if (client.codec.has_output())
      goes_on = answer_requests(client);
    else if ((events & POLLIN) != 0)
      goes_on = read(client);
    watched_[entry].events = POLLIN | POLLOUT;
    if (!goes_on) remove(entry);
  }

  bool read(Client& client) {
    const ssize_t count = receive(client.socket.fd(), client.codec.room());
    const bool may_come = count < 0 && is_not_ready(errno);
    client.codec.received(count);
    if (may_come) return true;
    if (count <= 0) return false;
    client.time_started = now_;
    return answer_requests(client);
  }

  Response respond_to(const Request& request) {
    if (request.target == "/clients") {
      count_ = std::to_string(clients_.size()) + " clients\n";
      return {.text = count_};
    }
    const Response response = handle(request);
    return response.is_from_backend ? no_backend() : response;
  }

  // False when the conversation is over.
  bool answer_requests(Client& client) {
    for (;;) {
      while (const std::optional<Request> request = client.codec.next_request()) {
        client.time_started = now_;
        client.codec.respond(*request, respond_to(*request));
      }
      if (!client.codec.has_output()) return !client.codec.is_closing() && !context_.draining;
      const ssize_t count = send_some(client.socket.fd(), client.codec.output());
      if (count < 0) return is_not_ready(errno);
      client.time_started = now_;
      client.codec.sent(client.codec.output().size());
      if (client.codec.has_output()) return true;
    }
  }

  // -- time --

  int timeout() const {
    std::optional<Time> next = acceptor_.resumes_at(now_);
    if (!clients_.empty()) next = earlier(next, now_ + idle_limit_);
    return milliseconds_until(next, now_);
  }

  void expire_clients() {
    for (std::size_t i = watched_.size(); i-- > first_client;)
      if (clients_[i - first_client].time_started + idle_limit_ <= now_) expire(i);
  }

  void expire(std::size_t entry) {
    Client& client = clients_[entry - first_client];
    if (!client.codec.has_output() && client.codec.is_inside_request()) {
      client.codec.refuse(408);
      (void)send_some(client.socket.fd(), client.codec.output());
    }
    remove(entry);
  }

  // -- the end --

  void forget_events() {
    for (pollfd& entry : watched_) entry.revents = 0;
  }

  void stop() {
    acceptor_.close();
    watched_[stop_entry].fd = nobody;
    watched_.resize(first_client);
    clients_.clear();
  }

  static constexpr std::size_t stop_entry = 0;
  static constexpr std::size_t listener_entry = 1;
  static constexpr std::size_t first_client = 2;
  static constexpr int nobody = -1;  // poll passes over a negative descriptor

  const Clock::duration idle_limit_;
  Counters counters_;
  Signals signals_{counters_};
  Context context_{handle, signals_.stop_requested(), counters_};
  Acceptor acceptor_;
  std::vector<pollfd> watched_;
  std::vector<Client> clients_;  // of the entries from first_client on, in the same order
  std::string count_;            // the text of the last response to /clients
  Time now_ = Clock::now();
};

void run_server(int argc, char** argv) {
  PollServer server(read_options(argc, argv, "apbth", purpose));
  server.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
