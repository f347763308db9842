// short_writes — a thread for each client, over two helpers that are not true yet. This file is
// finished; helpers.cpp is yours.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

#include "blocking/exercises/short_writes/helpers.hpp"
#include "common/acceptor.hpp"
#include "common/backend.hpp"
#include "common/error.hpp"
#include "common/handler.hpp"
#include "common/http_codec.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

constexpr const char* purpose = "An exercise: a thread for each client, over helpers to be mended.";

// -- one client --

// The head and the first of the body leave together, the rest of a generated body in pieces.
bool send_response(int socket, const Request& request, const Response& response, bool closes) {
  const std::uint32_t generated = response.generated;
  std::array<char, max_response_head> head;
  const std::size_t head_size =
      write_response_head({.status = response.status,
                           .body_size = generated != 0 ? generated : response.text.size(),
                           .closes = closes,
                           .keeps_http_1_0 = request.http_1_0},
                          head);
  const std::string_view head_text(head.data(), head_size);
  if (request.head_only) return send_all(socket, std::array{head_text});
  if (generated == 0) return send_all(socket, std::array{head_text, response.text});

  std::array<char, 32 * 1024> room;
  for (std::uint32_t at = 0; at < generated;) {
    const std::span<char> piece =
        std::span(room).first(std::min<std::size_t>(room.size(), generated - at));
    handle.generate(at, piece);
    const std::string_view body(piece.data(), piece.size());
    const std::array both{at == 0 ? head_text : std::string_view(), body};
    if (!send_all(socket, both)) return false;
    at += static_cast<std::uint32_t>(piece.size());
  }
  return true;
}

void converse(int socket, Counters& counters) {
  RequestReader reader(socket);
  while (const auto head = reader.next_head()) {
    std::uint32_t line_start = 0;
    const Parsed parsed = parse_request(*head, line_start);
    if (parsed.outcome == Parsed::Outcome::incomplete) continue;  // never, if next_head is true
    Counters::count(counters.requests);
    if (parsed.outcome == Parsed::Outcome::refused) {
      send_response(socket, parsed.request, refusal(parsed), true);
      return;
    }
    Response response = handle(parsed.request);
    if (response.is_from_backend) response = no_backend();
    const bool closes = response.closes || !parsed.request.keep_alive;
    if (!send_response(socket, parsed.request, response, closes) || closes) return;
  }
}

// -- all of them --

class Server {
 public:
  explicit Server(const Options& options)
      : options_(options), acceptor_(open_listener(options), Blocking::yes) {
    announce(acceptor_.fd());
  }

  void run() {
    while (!signals_.stop_requested()) {
      const Time now = Clock::now();
      pollfd watched[] = {{signals_.stop_descriptor(), POLLIN, 0},
                          {acceptor_.is_accepting(now) ? acceptor_.fd() : -1, POLLIN, 0}};
      if (poll(watched, 2, milliseconds_until(acceptor_.resumes_at(now), now)) < 0 &&
          errno != EINTR)
        throw CallFailed("poll", errno);
      join_finished();
      if (watched[1].revents != 0) accept_client();
    }
    acceptor_.close();
    end_streams();
    for (Client& client : clients_) client.thread.join();
  }

 private:
  struct Client {
    Descriptor socket;
    std::thread thread = {};
    std::atomic<bool> has_ended = false;
  };

  void accept_client() {
    Descriptor socket = acceptor_.next_client(Clock::now());
    if (!socket || !set_timeouts(socket.fd(), options_.idle_limit)) return;
    Client& client = clients_.emplace_back();
    client.socket = std::move(socket);
    try {
      client.thread = std::thread([this, &client] { serve(client); });
      Counters::count(counters_.accepted);
    } catch (const std::system_error&) {  // no memory for a stack
      reject(std::move(client.socket), 503);
      clients_.pop_back();
    }
  }

  void serve(Client& client) {
    converse(client.socket.fd(), counters_);
    const std::lock_guard lock(mutex_);  // so that end_streams() never meets a closed socket
    client.socket = Descriptor();
    client.has_ended = true;
    Counters::count(counters_.closed);
  }

  void join_finished() {
    std::erase_if(clients_, [](Client& client) {
      if (!client.has_ended) return false;
      client.thread.join();
      return true;
    });
  }

  // A stream that has ended stays so: whoever parks in recv, or is about to, comes back with 0.
  void end_streams() {
    const std::lock_guard lock(mutex_);
    for (Client& client : clients_)
      if (client.socket) shutdown(client.socket.fd(), SHUT_RD);
  }

  const Options options_;
  Counters counters_;
  Signals signals_{counters_};
  Acceptor acceptor_;
  std::mutex mutex_;
  std::list<Client> clients_;
};

void run_server(int argc, char** argv) {
  Server server(read_options(argc, argv, "apbth", purpose));
  server.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
