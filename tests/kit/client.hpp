// client.hpp — a raw client for tests, and a backend that misbehaves on demand.
//
// Gives: a TCP client that does one thing at a time, writes down every step, and reads HTTP/1.1
//        answers strictly: a byte too many or too few is a failure, not something to skip over.
// Do:    use wait_until_read() between two sends where the server must see them apart.
// Do not: expect the kernel's buffers to be small. They are only for Launch::small_buffers
//        together with ClientOptions::small_buffer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/socket.hpp"
#include "tests/kit/check.hpp"
#include "tests/kit/response.hpp"

using namespace two_ways;

struct ReceivedResponse : ReceivedHead {
  std::string head;
  std::string body;

  std::optional<std::string> field(std::string_view name) const { return field_of(head, name); }
};

// "GET /path HTTP/1.1", Host, and these fields, each with its \r\n.
std::string get_request(std::string_view path, std::string_view fields = "");

struct ClientOptions {
  bool small_buffer = false;  // its socket takes about two thousand bytes
  std::uint16_t port = 0;     // 0: that of the context's server
  const char* address = "127.0.0.1";
};

enum class Method { get, head };

class Client {
 public:
  // Connects. Fails the check if that is refused.
  explicit Client(Context& context, ClientOptions options = {});
  // The same, but empty if the connection is refused.
  static std::optional<Client> try_to_connect(Context& context, ClientOptions options = {});

  Context& context() const { return *context_; }
  int socket() const { return socket_.fd(); }
  int number() const { return number_; }

  // Sends all. Takes in what arrives meanwhile, so that neither side waits for the other.
  void send(std::string_view bytes);
  // The same; false when the server has closed or reset the connection.
  bool try_to_send(std::string_view bytes);
  // Sends as much as the kernel takes at once, and does not wait. Bytes taken.
  std::size_t offer(std::string_view bytes);
  // send(get_request(path))
  void get(std::string_view path);
  // The same, and the answer must be this one.
  ReceivedResponse ask(std::string_view path, int status);
  void ask(std::string_view path, int status, std::string_view body);
  // Asks for /echo/WORD, and gets what this program answers to it (Context::echo).
  void expect_echo(std::string_view word);

  // Until the server has read everything sent so far.
  void wait_until_read();
  // Until the server has begun to answer and cannot send any more: its buffers are full.
  void wait_until_server_is_stuck();

  // Until the server has closed its end, whether or not its last bytes have been read. Only where
  // sockets can be observed.
  void wait_until_server_closes();
  bool is_closed_by_server() const;

  // One whole answer. Fails on silence, on an early end and on anything malformed.
  ReceivedResponse read_response(Method method = Method::get);
  ReceivedResponse expect_response(int status, Method method = Method::get);
  void expect_response(int status, std::string_view body);
  // One that says Connection: close, and the end behind it.
  ReceivedResponse expect_last_response(int status);
  // 200, and so many bytes, which are those of /bytes.
  void expect_bytes(std::size_t size);
  // Only the head; the body is then read with read_pattern or read_some.
  ReceivedResponse read_head();
  // The next `count` bytes, which must be those of /bytes from `from` on.
  void read_pattern(std::size_t from, std::size_t count);
  // Reads and forgets up to `most` bytes, in one piece as they come. 0 at the end.
  std::size_t read_some(std::size_t most);
  // For servers that speak lines: the next one without its line feed; nothing at the end, or after
  // silence.
  std::optional<std::string> read_line();
  bool has_ended() const { return ended_; }
  // Any number of whole answers, none included, and then the end.
  void expect_whole_responses_then_end();
  // The connection ends here, without another byte. A reset counts as an end.
  void expect_end();
  void expect_orderly_end();  // it does not
  // How many answers have begun to arrive and are not read yet. Does not wait.
  std::size_t responses_so_far();
  // Has anything arrived, the end included? Waits no longer than told.
  bool something_arrives_within(std::chrono::milliseconds wait);

  void half_close();
  void reset();
  void close();

  // Where this client's bytes are: never accepted, not read, read but not answered...
  std::string describe() const;

 private:
  enum class Got { bytes, end, silence };
  static constexpr std::size_t most_at_once = 65'536;

  Client(Context& context, Descriptor socket, int number);
  static Descriptor connect_socket(Context& context, const ClientOptions& options);
  Got take_in(Timeout timeout, std::size_t most = most_at_once);
  // Waits for more bytes. False at the end; fails after silence.
  bool more_comes(const std::string& wanted, std::size_t most = most_at_once);
  void need_more(const std::string& wanted);  // fails at the end, too
  std::string name() const { return "client " + std::to_string(number_); }
  void note(const std::string& step) { context_->note(name() + ": " + step); }
  std::string what_it_has() const;
  std::string_view unread() const { return std::string_view(input_).substr(used_); }
  void use(std::size_t count);

  Context* context_;
  Descriptor socket_;
  int number_;
  std::string input_;     // what has arrived
  std::size_t used_ = 0;  // how much of it has been looked at
  bool ended_ = false;
  bool was_reset_ = false;
  std::chrono::steady_clock::time_point last_progress_;
};

// So many; so many that have asked for this; so many, each of which has been answered once.
std::vector<Client> connected_clients(Context& context, int count);
std::vector<Client> asking_clients(Context& context, int count, std::string_view path);
std::vector<Client> answered_clients(Context& context, int count);

// One that has asked for so many bytes and does not read: the server can send no more.
Client stuck_client(Context& context, std::size_t size,
                    ClientOptions options = {.small_buffer = true});

// CPU time of one request of this client, in nanoseconds: the least of five rounds. Each comes when
// the server sleeps: a wake-up that finds the next one there would be paid for once.
double cost_per_request(Context& context, Client& active);

// One connection that the server has made to its backend.
class BackendCall {
 public:
  explicit BackendCall(Descriptor socket) : socket_(std::move(socket)) {}

  const std::string& request() const { return request_; }
  std::string first_line() const { return request_.substr(0, request_.find("\r\n")); }
  // Until the whole head of the request is here. False when the server goes silent or leaves.
  bool read_request(Timeout timeout);
  // Sends all, as long as the server takes some of it within the time. False when it does not.
  bool send(std::string_view bytes, Timeout wait = default_timeout) const;
  void answer(std::string_view body) const;  // 200, Content-Length, and the end
  // Sends byte by byte, in segments of their own.
  void trickle(std::string_view bytes) const;
  // True when the server ends this connection within the timeout.
  bool is_left_within(Timeout timeout) const;
  void reset();
  void close() { socket_ = Descriptor(); }

 private:
  Descriptor socket_;
  std::string request_;
};

// A backend played by the check itself: nothing happens that the check does not do.
class Backend {
 public:
  Backend();
  // Starts the server with -b this one, and with more arguments.
  explicit Backend(Context& context, std::vector<std::string> arguments = {});
  std::uint16_t port() const { return port_; }
  std::string port_text() const { return std::to_string(port_); }
  // The server's next connection, and its request. Fails the check when none comes.
  BackendCall take(Context& context);
  // The client asks for its row, and the server for that.
  BackendCall take_row_of(Client& client);
  // A port on which nobody listens.
  static std::uint16_t dead_port();

 private:
  Descriptor listener_;
  std::uint16_t port_ = 0;
};
