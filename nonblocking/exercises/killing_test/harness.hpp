// harness.hpp — a server to test, and a client to test it with.
//
// Gives: Server, which runs the program that is under test; Client, which sends what you tell it
//        and gives you what comes back. Both only look: whether it is right, your CHECKs say.
// Do:    start a Server of its own in each case, and send byte for byte what you mean.
// Do not: sleep where you can wait. Every read here waits, but no longer than three seconds
//        without a byte: then you get what has come so far, or status 0. The grader gives your
//        test 30 seconds for one server, and ends it at the first check that fails.
#pragma once

#if !__has_include(<doctest/doctest.h>)
#error "killing_test needs doctest, which is not installed here (Debian: doctest-dev)"
#else
#include <doctest/doctest.h>
#endif

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/socket.hpp"

using namespace two_ways;

// The program under test, on a port of its own. It is gone when this is.
class Server {
 public:
  // With options of its command line: Server server({"-t", "0.5"}).
  explicit Server(std::vector<std::string> options = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const { return port_; }
  void ask_to_stop();  // SIGTERM
  // Its exit status, if it ends by itself within three seconds.
  std::optional<int> exit_status();

 private:
  void end();

  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
  std::optional<int> status_;  // as waitpid(2) gives it
  Descriptor output_;
};

struct Response {
  int status = 0;    // 0: none came, or what came is no response
  std::string head;  // the status line and the fields, as they came
  std::string body;  // as much of it as came, and no more than was announced
};

class Client {
 public:
  explicit Client(const Server& server);

  // False if the server has closed or reset the connection, or takes nothing for three seconds.
  bool send(std::string_view bytes);
  // GET `path`, with Host and nothing else.
  bool get(std::string_view path);
  // Closes the sending side: the server will see the end of the stream.
  void half_close();

  Response read_response();
  // The response to HEAD, which announces a body and has none.
  Response read_head();
  // Has the server closed? Waits for it. A byte that comes instead means no.
  bool is_closed();
  // Has anything come, the end included? Waits no longer than told.
  bool something_comes_within(std::chrono::milliseconds wait);

 private:
  bool take_in(std::chrono::milliseconds wait);

  Descriptor socket_;
  std::string received_;  // and not used yet
  bool has_ended_ = false;
};
