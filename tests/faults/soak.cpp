// A soak: good and bad clients, more than there are descriptors for, while system calls fail and
// the server is stopped and started again at random moments.
//
// One round: a server is started with a limit of descriptors and with faults; clients of all
// manners come, more than the limit allows; then all leave, the faults are called off, and
// descriptors, threads and memory must be back; then clients come again, and SIGTERM at a random
// moment, and the server is started again on the same port while its clients are still there.
// Every fourth start is without faults: then no response may be cut off, not even by SIGTERM.
//
// What must hold all the time: every complete request gets exactly one whole response, the right
// one, or a closed connection; nobody waits for ever; every server that is stopped exits with 0.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/faults/runs.hpp"
#include "tests/kit/check.hpp"
#include "tests/kit/client.hpp"
#include "tests/kit/response.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

enum class Manner {
  one_by_one,  // asks, reads, asks again
  pipelined,   // asks for many things at once
  rows,        // asks for what the server must ask its backend for
  large,       // reads a long response as fast as it can
  trickling,   // sends its requests byte by byte
  slow,        // reads a long response in small pieces
  halved,      // closes its sending side behind its requests
  resetting,   // goes away in the middle of something
  garbling,    // sends what is no request
  silent,      // connects, and waits
  unreading,   // asks for millions of bytes, and reads none
};
constexpr std::string_view manner_names[] = {"one by one", "pipelined", "rows",     "large",
                                             "trickling",  "slow",      "halved",   "resetting",
                                             "garbling",   "silent",    "unreading"};

struct SoakFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Totals {
  FaultCounts injected{};
  std::uint64_t rounds = 0;
  std::uint64_t starts = 0;
  std::uint64_t stops_under_load = 0;
  std::uint64_t clients = 0;
  std::uint64_t requests = 0;  // whole ones that have been sent
  std::uint64_t right = 0;     // whole responses that were right
  std::uint64_t refusals = 0;  // 4xx and 5xx where they are in order
  std::uint64_t closed = 0;    // requests whose connection ended before their response
};

// One client, good or bad, which takes nothing for granted. Every request carries a word of its
// own, and every response is looked at to the last byte: is it whole, is it in its turn, is it the
// response to what this client has asked? A connection that ends is no failure; a response that is
// wrong, or nobody's, is.
class SoakClient {
 public:
  // `may_be_cut`: a fault may cut a response off.
  SoakClient(std::uint16_t port, Manner manner, std::uint64_t number, bool may_be_cut,
             Totals& totals)
      : manner_(manner),
        number_(number),
        may_be_cut_(may_be_cut),
        totals_(totals),
        random_(static_cast<std::mt19937::result_type>(number)),
        socket_(start_connecting(port)),
        next_send_(Clock::now()),
        next_read_(next_send_),
        last_progress_(next_send_) {
    ++totals_.clients;
    prepare();
  }

  // What poll(2) is to look for.
  pollfd entry(Clock::time_point now) const {
    int events = 0;
    if (!outgoing_.empty() && next_send_ <= now) events |= POLLOUT;
    if (manner_ != Manner::unreading && next_read_ <= now) events |= POLLIN;
    return {socket_.fd(), static_cast<short>(events), 0};
  }

  // Goes on. False when the client has left. Throws SoakFailed.
  bool step(short ready, Clock::time_point now) {
    if (!socket_) return leave();
    if (now >= leaves_at_) {
      reset(socket_);
      return leave();
    }
    if (now - last_progress_ > seconds(30)) complain("for 30 s nothing has happened");
    if (asked_ < to_ask_ && expected_.empty() && !closing_) ask_next();
    if ((ready & POLLOUT) != 0) send_more(now);
    if ((ready & (POLLIN | POLLERR | POLLHUP)) != 0 && manner_ != Manner::unreading &&
        !read_more(now))
      return leave();
    const bool is_patient = manner_ == Manner::garbling || manner_ == Manner::silent ||
                            manner_ == Manner::resetting || manner_ == Manner::unreading;
    const bool is_done = !is_patient && outgoing_.empty() && expected_.empty() &&
                         check_.untouched() && asked_ >= to_ask_;
    return is_done ? leave() : true;
  }

 private:
  struct Expected {
    Expectation response;
    std::size_t sent_at = 0;  // whole when so many bytes have been sent
  };

  std::size_t random(std::size_t end) { return random_() % end; }
  std::string name() const { return "c" + std::to_string(number_) + "-" + std::to_string(asked_); }

  void ask(const std::string& path) {
    outgoing_ += get_request(path);
    Expectation response = expected_response(path);
    response.may_be_an_error = true;
    expected_.push_back({response, sent_ + outgoing_.size()});
    ++asked_;
  }
  void ask_echo() { ask("/echo/" + name() + std::string(random(300), 'e')); }
  void ask_bytes(std::size_t count) { ask("/bytes/" + std::to_string(count)); }
  void ask_next() {
    if (manner_ == Manner::rows)
      ask("/row?" + name());
    else
      ask_echo();
  }

  void prepare() {
    const auto now = Clock::now();
    switch (manner_) {
      case Manner::one_by_one:
      case Manner::rows:
        to_ask_ = 1 + random(8);
        break;
      case Manner::pipelined:
      case Manner::halved:
        for (std::size_t i = 1 + random(12); i > 0; --i) {
          ask_echo();
          if (random(4) == 0) ask_bytes(random(30'000));
        }
        break;
      case Manner::large:
        ask_bytes(random(1'000'000));
        break;
      case Manner::trickling:
        ask_echo();
        ask_echo();
        break;
      case Manner::slow:
        ask_bytes(20'000 + random(200'000));
        break;
      case Manner::resetting:
        for (std::size_t i = random(4); i > 0; --i) ask_echo();
        if (random(2) == 0) ask_bytes(5'000'000);
        outgoing_ += "GET /ec";
        leaves_at_ = now + milliseconds(random(40));
        break;
      case Manner::garbling:
        for (std::size_t i = 1 + random(3000); i > 0; --i)
          outgoing_ += static_cast<char>(random_() % 256);
        outgoing_ += "\r\n\r\n";
        leaves_at_ = now + milliseconds(500);
        break;
      case Manner::silent:
        leaves_at_ = now + milliseconds(random(300));
        break;
      case Manner::unreading:
        ask_bytes(50'000'000);
        leaves_at_ = now + milliseconds(random(300));
        break;
    }
  }

  void send_more(Clock::time_point now) {
    std::string_view bytes = outgoing_;
    if (manner_ == Manner::trickling) {
      bytes = bytes.substr(0, 1 + random(3));
      next_send_ = now + milliseconds(1);
    }
    const ssize_t count = send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) {
      if (count < 0 && !is_not_ready(errno)) outgoing_.clear();  // reading will tell the rest
      return;
    }
    last_progress_ = now;
    sent_ += static_cast<std::size_t>(count);
    outgoing_.erase(0, static_cast<std::size_t>(count));
    if (outgoing_.empty() && manner_ == Manner::halved && !has_half_closed_) {
      has_half_closed_ = true;
      (void)shutdown(socket_.fd(), SHUT_WR);
    }
  }

  // False at the end of the stream.
  bool read_more(Clock::time_point now) {
    std::array<char, 65'536> room;
    std::span<char> part = room;
    if (manner_ == Manner::slow) {
      part = part.first(1 + random(4000));
      next_read_ = now + milliseconds(5);
    }
    const ssize_t count = receive(socket_.fd(), part);
    if (count < 0 && is_not_ready(errno)) return true;
    if (count <= 0) {
      const bool is_cut = !check_.untouched();
      const bool sends_no_more = manner_ == Manner::one_by_one || manner_ == Manner::rows ||
                                 manner_ == Manner::large || manner_ == Manner::slow;
      if (is_cut && sends_no_more && !may_be_cut_)
        complain("a response ends before its time, without any fault");
      return false;
    }
    last_progress_ = now;
    look_at({room.data(), static_cast<std::size_t>(count)});
    return true;
  }

  void look_at(std::string_view bytes) {
    static const Expectation any{Expectation::Body::something, "", 0, true};
    while (!bytes.empty()) {
      if (closing_) complain("more bytes behind the response that was to be the last");
      if (check_.untouched())
        has_question_ = !expected_.empty() && expected_.front().sent_at <= sent_;
      bytes.remove_prefix(check_.take(bytes, has_question_ ? expected_.front().response : any));
      if (!check_.problem().empty()) complain(check_.problem());
      if (check_.finished()) finish_response();
    }
  }

  void finish_response() {
    const ReceivedHead head = check_.head();
    check_.reset();
    closing_ = head.closes();
    if (head.status == 200 && !has_question_)
      complain("a response 200 to nothing that has been asked");
    if (head.status != 200 && !is_refusal(head.status))
      complain("a response with status " + std::to_string(head.status));
    ++(head.status == 200 ? totals_.right : totals_.refusals);
    if (!has_question_) return;
    expected_.pop_front();
    ++totals_.requests;
  }

  // Which refusals may such a client get?
  bool is_refusal(int status) const {
    if (status == 503 && closing_) return true;  // no thread, no descriptor
    if (manner_ == Manner::garbling) return status >= 400 && closing_;
    if (status == 408) return closing_ && (!has_question_ || manner_ == Manner::trickling);
    const bool asked_for_row =
        has_question_ && expected_.front().response.body == Expectation::Body::beginning_with;
    return asked_for_row && status >= 502 && status <= 504;
  }

  bool leave() {
    for (const Expected& question : expected_)
      if (question.sent_at <= sent_) {
        ++totals_.requests;
        ++totals_.closed;
      }
    expected_.clear();
    socket_ = Descriptor();
    return false;
  }

  [[noreturn]] void complain(const std::string& what) const {
    throw SoakFailed("client " + std::to_string(number_) + " (" +
                     std::string(manner_names[static_cast<int>(manner_)]) + "), which has sent " +
                     std::to_string(sent_) + " bytes and waits for " +
                     std::to_string(expected_.size()) + " responses: " + what);
  }

  Manner manner_;
  std::uint64_t number_;
  bool may_be_cut_;
  Totals& totals_;
  std::mt19937 random_;
  Descriptor socket_;
  std::string outgoing_;
  std::size_t sent_ = 0;
  std::size_t asked_ = 0;
  std::size_t to_ask_ = 0;
  std::deque<Expected> expected_;
  ResponseCheck check_;
  bool has_question_ = false;  // the response that arrives is the first of those that are expected
  bool closing_ = false;       // the server has said so
  bool has_half_closed_ = false;
  Clock::time_point next_send_;
  Clock::time_point next_read_;
  Clock::time_point leaves_at_ = Clock::time_point::max();
  Clock::time_point last_progress_;
};

// All clients that are there, driven by one poll.
class Crowd {
 public:
  Crowd(std::size_t size, bool takes_turns, std::uint64_t seed, Totals& totals)
      : size_(size), takes_turns_(takes_turns), random_(seed), totals_(totals) {}

  // Until `end`, a new client comes for each that leaves. Throws SoakFailed.
  void press(std::uint16_t port, Clock::time_point end) {
    while (Clock::now() < end) {
      while (clients_.size() < size_) add(port);
      go_on();
    }
  }

  // Nobody comes any more, and all who are there are waited for.
  void let_leave() {
    while (!clients_.empty()) go_on();
  }

  // Of those who come from now on.
  void may_be_cut(bool may) { may_be_cut_ = may; }

 private:
  void add(std::uint16_t port) {
    auto manner = static_cast<Manner>(random_() % std::size(manner_names));
    // Behind one of these, nobody is served while it stays; now and then is enough.
    if (takes_turns_ && (manner == Manner::silent || manner == Manner::unreading) &&
        random_() % 8 != 0)
      manner = Manner::one_by_one;
    clients_.push_back(
        std::make_unique<SoakClient>(port, manner, random_() >> 20, may_be_cut_, totals_));
  }

  void go_on() {
    auto now = Clock::now();
    entries_.clear();
    for (const auto& client : clients_) entries_.push_back(client->entry(now));
    if (poll(entries_.data(), static_cast<nfds_t>(entries_.size()), 2) < 0 && errno != EINTR)
      throw SoakFailed("poll fails in the tester");
    now = Clock::now();
    for (std::size_t i = clients_.size(); i-- > 0;) {
      if (clients_[i]->step(entries_[i].revents, now)) continue;
      clients_[i] = std::move(clients_.back());
      clients_.pop_back();
    }
  }

  std::size_t size_;
  bool takes_turns_;
  bool may_be_cut_ = true;
  std::mt19937_64 random_;
  Totals& totals_;
  std::vector<std::unique_ptr<SoakClient>> clients_;
  std::vector<pollfd> entries_;
};

// One server, again and again, with its backend.
class Round {
 public:
  Round(const Settings& settings, const Program& program, std::uint64_t seed, Totals& totals)
      : seed_(seed),
        totals_(totals),
        random_(seed),
        plan_(settings.directory + "/libfaults.so", every_fault, seed,
              0.05 + 0.1 * static_cast<double>(random_() % 8)),
        // What the backend suffers must not change its responses.
        backend_plan_(
            settings.directory + "/libfaults.so",
            partial_faults | only(Fault::interrupted) | only(Fault::spurious) | only(Fault::delay),
            seed + 1, 0.3),
        backend_(settings.directory + "/slow_backend",
                 {.arguments = {"-p", "0", "-d", "5"}, .environment = backend_plan_.environment()}),
        context_({.name = program.name,
                  .path = settings.directory + "/" + program.name,
                  .model = program.model,
                  .faults = &plan_}),
        crowd_(program.model == one_at_a_time ? 12 : limit + limit / 2,
               program.model == one_at_a_time, seed, totals) {
    context_.set_timeout(seconds(30));
  }

  // Throws Failed and SoakFailed.
  void run() {
    ++totals_.rounds;
    start(0);
    const std::uint16_t port = context_.server().port();
    std::optional<Memory> full;
    for (int i = 0; i < 2; ++i) {
      plan_.on();
      crowd_.press(port, Clock::now() + span(300, 1200));
      crowd_.let_leave();
      context_.scene("Clients of all manners came, more than there are descriptors for, and left.",
                     "nothing is left of them.");
      context_.expect_recovery();
      // The memory of the first time is the measure for the second.
      if (full) context_.expect_growth_below(1024, &Memory::anonymous_kib, *full);
      full = context_.memory();
    }
    for (std::uint64_t i = 0; i < 4; ++i) {
      const bool has_faults = (seed_ + i) % 4 != 0;
      if (has_faults)
        plan_.on();
      else
        plan_.off();
      crowd_.may_be_cut(has_faults);
      crowd_.press(port, Clock::now() + span(50, 600));
      stop_under_load();
      if (i < 3) start(port);
    }
    for (std::size_t i = 0; i < fault_kinds; ++i)
      totals_.injected[i] += plan_.counts()[i] + backend_plan_.counts()[i];
  }

  std::string words() const {
    return context_.tested().name + ", seed " + std::to_string(seed_) + ", " +
           plan_.command_words();
  }

 private:
  Clock::duration span(unsigned least, unsigned most) {
    return milliseconds(least + random_() % (most - least));
  }

  void start(std::uint16_t port) {
    context_.start({.arguments = {"-p", std::to_string(port), "-t", "10", "-b",
                                  std::to_string(backend_.port())},
                    .hand_down_listener = false,
                    .descriptor_limit = limit});
    ++totals_.starts;
  }

  void stop_under_load() {
    context_.scene("I sent SIGTERM while clients of all manners were there.",
                   "each is served or closed, and it exits with status 0.");
    context_.server().signal(SIGTERM);
    crowd_.let_leave();
    context_.expect_exit_status_0();
    context_.expect_healthy();
    if (context_.server().error_output().find("terminate called") != std::string::npos)
      context_.fail("it ended by an exception.");
    ++totals_.stops_under_load;
  }

  static constexpr std::size_t limit = 100;

  std::uint64_t seed_;
  Totals& totals_;
  std::mt19937_64 random_;
  FaultPlan plan_;
  FaultPlan backend_plan_;
  ChildProcess backend_;
  Context context_;
  Crowd crowd_;
};

void print(const Totals& totals) {
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%llu rounds, %llu starts, %llu stops under load, %llu clients\n"
      "%llu whole requests: %llu right responses, %llu refusals, %llu connections closed first\n",
      number(totals.rounds), number(totals.starts), number(totals.stops_under_load),
      number(totals.clients), number(totals.requests), number(totals.right),
      number(totals.refusals), number(totals.closed));
  std::printf("faults:");
  for (const FaultKind& kind : all_fault_kinds)
    std::printf(" %s %llu", kind.name,
                number(totals.injected[static_cast<std::size_t>(kind.fault)]));
  std::printf("\n");
}

}  // namespace

int soak(const Settings& settings) {
  std::vector<Program> wanted;
  for (const Program& program : programs())
    if ((program.model & servers) != 0 && is_wanted(settings.servers, program.name))
      wanted.push_back(program);
  if (wanted.empty()) {
    std::fprintf(stderr, "faults: no such server\n");
    return 2;
  }
  Totals totals;
  const auto end = Clock::now() + seconds(settings.seconds);
  std::uint64_t seed = settings.first_seed;
  // Each server once at least.
  for (; Clock::now() < end || totals.rounds < wanted.size(); ++seed) {
    const Program& program = wanted[seed % wanted.size()];
    Round round(settings, program, seed, totals);
    const Totals before = totals;
    const auto fail = [&](const char* what) {
      std::printf(
          "FAILED  %s\n%s\nAgain: build/tests/faults --soak --build=%s --server=%s --seed=%llu\n",
          round.words().c_str(), what, settings.directory.c_str(), program.name,
          static_cast<unsigned long long>(seed));
      return 1;
    };
    try {
      round.run();
    } catch (const Failed& failed) {
      return fail(failed.story.c_str());
    } catch (const std::exception& trouble) {
      return fail(trouble.what());
    }
    std::printf("ok  %-45s %6llu requests, %6llu right\n",
                (std::string(program.name) + ", seed " + std::to_string(seed)).c_str(),
                static_cast<unsigned long long>(totals.requests - before.requests),
                static_cast<unsigned long long>(totals.right - before.right));
    std::fflush(stdout);
  }
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(settings.first_seed),
              static_cast<unsigned long long>(seed - 1));
  print(totals);
  return 0;
}
