// conversation.hpp — one client's requests and answers, as continuations.
//
// The straight line "read, ask the backend, write" is cut at every wait. Each piece runs until it
// would block, then says what it waits for and which piece goes on from there. Nobody parks.
//
// Gives: resume(), which runs the piece that is next and returns the new wait, or nothing when the
//        conversation is over.
// Do:    call resume() when the wait is over; calling it too early is harmless (it says the same
//        wait again). Destroy the conversation when it is over.
// Do not: watch two waits of one conversation. It waits for exactly one thing at a time: while an
//        answer is unsent it does not read (back-pressure), and while it waits for the backend it
//        does not look at its client. A client that leaves meanwhile is noticed when the backend
//        answers. Noticing it sooner would cost a second registration, two more calls a request,
//        and an owner that two events of one wake-up may both want to end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/exchange.hpp"
#include "common/socket.hpp"
#include "common/surroundings.hpp"
#include "common/wait.hpp"

class Conversation {
 public:
  // Takes over the client's non-blocking socket. The surroundings must live longer.
  Conversation(Descriptor client, Surroundings& surroundings)
      : surroundings_(surroundings), exchange_(surroundings.bench), client_(std::move(client)) {}

  // Runs until it would block. Never throws: without memory the conversation is over.
  std::optional<Wait> resume();

  // The time for the present wait has run out. A client that still waits is told so.
  std::optional<Wait> expire();

  // What it waits for at first, and whenever it waits for a request.
  Wait request_wait() const { return {client_.fd(), Until::readable}; }

  // Has the last call brought something that a client cannot fake by trickling bytes: the first
  // byte of a request, a whole request, or bytes of an answer that have left? Then its time
  // starts anew.
  bool has_progressed() const { return progressed_; }

  // Does `wait` watch the backend? Its descriptor may be closed during the next call.
  bool is_for_backend(Wait wait) const { return wait.fd != client_.fd(); }

 private:
  enum class Piece : std::uint8_t {
    read_request,
    answer_requests,
    write_answers,
    ask_backend,
    read_row,
    end,
    linger
  };

  // A question to the backend, over a socket of its own.
  struct Row {
    Descriptor backend;
    std::string question;
    std::string_view unasked;
    std::string received;
  };

  template <class Run>
  std::optional<Wait> take_turn(Run run);
  std::optional<Wait> run_next_piece();

  // The pieces, in the order of the conversation.
  std::optional<Wait> read_request();
  std::optional<Wait> answer_requests();
  std::optional<Wait> write_answers();
  std::optional<Wait> connect_to_backend(const Request& request);
  std::optional<Wait> ask_backend();
  std::optional<Wait> read_row();
  std::optional<Wait> end();
  std::optional<Wait> linger();

  std::optional<Wait> finish_row(const Answer& answer);
  std::optional<Wait> wait_for_request();
  Wait wait_for_more(Piece next);
  Wait wait(int fd, Until until, Piece next);

  Surroundings& surroundings_;
  Exchange exchange_;
  std::unique_ptr<Row> row_;
  Descriptor client_;
  Piece next_ = Piece::read_request;
  bool progressed_ = false;
};
