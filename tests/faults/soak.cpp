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
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/faults/runs.hpp"
#include "tests/faults/soak_client.hpp"
#include "tests/kit/check.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct SoakFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Totals {
  Sightings seen;
  FaultCounts injected{};
  std::uint64_t rounds = 0;
  std::uint64_t starts = 0;
  std::uint64_t stops_under_load = 0;
};

// All clients that are there, driven by one poll.
class Crowd {
 public:
  Crowd(std::size_t size, bool takes_turns, std::uint64_t seed, Sightings& sightings)
      : size_(size), takes_turns_(takes_turns), random_(seed), sightings_(sightings) {}

  // Until `end`, a new client comes for each that leaves. Throws WrongResponse, SoakFailed.
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

  void expect_no_cuts(bool whole) { whole_ = whole; }

 private:
  void add(std::uint16_t port) {
    auto manner = static_cast<Manner>(random_() % manners);
    // Behind one of these, nobody is served while it stays; now and then is enough.
    if (takes_turns_ && (manner == Manner::silent || manner == Manner::unreading) &&
        random_() % 8 != 0)
      manner = Manner::one_by_one;
    auto client = std::make_unique<SoakClient>(port, manner, random_() >> 20, sightings_);
    if (whole_) client->expect_no_cuts();
    clients_.push_back(std::move(client));
  }

  void go_on() {
    auto now = Clock::now();
    entries_.clear();
    for (const auto& client : clients_) entries_.push_back({client->fd(), client->events(now), 0});
    if (poll(entries_.data(), static_cast<nfds_t>(entries_.size()), 2) < 0 && errno != EINTR)
      throw SoakFailed("poll fails in the tester");
    now = Clock::now();
    for (std::size_t i = clients_.size(); i-- > 0;) {
      if (clients_[i]->step(entries_[i].revents, now)) {
        if (clients_[i]->is_stuck(now, seconds(30)))
          throw SoakFailed("for 30 s nothing has happened to " + clients_[i]->describe());
        continue;
      }
      clients_[i] = std::move(clients_.back());
      clients_.pop_back();
    }
  }

  std::size_t size_;
  bool takes_turns_;
  bool whole_ = false;
  std::mt19937_64 random_;
  Sightings& sightings_;
  std::vector<std::unique_ptr<SoakClient>> clients_;
  std::vector<pollfd> entries_;
};

// One server, again and again, with its backend.
class Round {
 public:
  Round(const Settings& settings, const Program& program, std::uint64_t seed, Totals& totals)
      : settings_(settings),
        program_(program),
        seed_(seed),
        totals_(totals),
        random_(seed),
        share_(0.05 + 0.1 * static_cast<double>(random_() % 8)),
        plan_(settings.directory + "/libfaults.so", every_fault, seed, share_),
        // What the backend suffers must not change its responses.
        backend_plan_(
            settings.directory + "/libfaults.so",
            partial_faults | only(Fault::interrupted) | only(Fault::spurious) | only(Fault::delay),
            seed + 1, 0.3),
        crowd_(program.model == one_at_a_time ? 12 : limit + limit / 2,
               program.model == one_at_a_time, seed, totals.seen) {}

  void run() {
    ++totals_.rounds;
    start_backend();
    start(0);
    const std::uint16_t port = server_->port();
    const Holdings at_first = holdings();
    std::optional<Holdings> full;
    for (int i = 0; i < 2; ++i) {
      plan_.on();
      crowd_.press(port, Clock::now() + span(300, 1200));
      crowd_.let_leave();
      expect_return(at_first, full);
    }
    for (std::uint64_t i = 0; i < 4; ++i) {
      const bool has_faults = (seed_ + i) % 4 != 0;
      if (has_faults)
        plan_.on();
      else
        plan_.off();
      crowd_.expect_no_cuts(!has_faults);
      crowd_.press(port, Clock::now() + span(50, 600));
      stop_under_load();
      if (i < 3) start(port);
    }
    for (std::size_t i = 0; i < fault_kinds; ++i)
      totals_.injected[i] += plan_.counts()[i] + backend_plan_.counts()[i];
  }

  std::string words() const {
    return std::string(program_.name) + ", seed " + std::to_string(seed_) + ", " +
           plan_.command_words();
  }

 private:
  struct Holdings {
    std::size_t descriptors = 0;
    std::size_t threads = 0;
    std::size_t own_kib = 0;
  };

  Clock::duration span(unsigned least, unsigned most) {
    return milliseconds(least + random_() % (most - least));
  }

  std::string path_of(const char* name) const { return settings_.directory + "/" + name; }

  void start_backend() {
    Launch launch;
    launch.arguments = {"-p", "0", "-d", "5"};
    launch.environment = backend_plan_.environment();
    backend_ = std::make_unique<ChildProcess>(path_of("slow_backend"), launch);
  }

  void start(std::uint16_t port) {
    Launch launch;
    launch.hand_down_listener = false;
    launch.arguments = {
        "-p", std::to_string(port), "-t", "10", "-b", std::to_string(backend_->port())};
    launch.environment = plan_.environment();
    launch.descriptor_limit = limit;
    server_.reset();
    server_ = std::make_unique<ChildProcess>(path_of(program_.name), launch);
    ++totals_.starts;
    if (!plan_.is_loaded()) throw SoakFailed("the faults have not been loaded");
  }

  Holdings holdings() const {
    const pid_t pid = server_->pid();
    Holdings now{descriptors_of(pid).value_or(0), threads_of(pid).size(), 0};
    // ThreadSanitizer brings one of its own, sooner or later.
    if (sanitizers_in(path_of(program_.name)).thread)
      now.threads = std::max<std::size_t>(now.threads, 2);
    if (const auto memory = memory_of(pid)) now.own_kib = memory->anonymous_kib;
    return now;
  }

  // The memory of the first time is the measure for the second.
  void expect_return(const Holdings& at_first, std::optional<Holdings>& full) {
    plan_.off();
    const auto deadline = Clock::now() + seconds(20);
    Holdings now = holdings();
    while ((now.descriptors > at_first.descriptors || now.threads > at_first.threads) &&
           Clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(20));
      expect_alive();
      now = holdings();
    }
    if (now.descriptors > at_first.descriptors || now.threads > at_first.threads)
      throw SoakFailed("with all clients gone it has " + std::to_string(now.descriptors) +
                       " descriptors and " + std::to_string(now.threads) + " threads, not " +
                       std::to_string(at_first.descriptors) + " and " +
                       std::to_string(at_first.threads));
    if (!full) {
      full = now;
      return;
    }
    constexpr std::size_t room_for_chance = 1024;
    const bool is_plain = !sanitizers_in(path_of(program_.name)).any();
    if (is_plain && now.own_kib > full->own_kib + room_for_chance)
      throw SoakFailed("its memory has grown from " + std::to_string(full->own_kib) + " to " +
                       std::to_string(now.own_kib) + " KiB");
  }

  void expect_no_complaint() const {
    const std::string said = server_->error_output();
    if (find_complaint(said, sanitizers_in(path_of(program_.name))) != std::string::npos ||
        said.find("terminate called") != std::string::npos)
      throw SoakFailed("it said: " + said);
  }

  void expect_alive() {
    expect_no_complaint();
    if (const auto status = server_->status_if_ended())
      throw SoakFailed("it " + describe_status(*status) + "; it said: " + server_->error_output());
  }

  void stop_under_load() {
    expect_alive();
    server_->signal(SIGTERM);
    crowd_.let_leave();
    const auto status = server_->wait_for_end(Timeout(30));
    if (!status)
      throw SoakFailed("30 s after SIGTERM it still runs; " + describe_threads(server_->pid()));
    if (*status != 0)
      throw SoakFailed("after SIGTERM it " + describe_status(*status) +
                       "; it said: " + server_->error_output());
    expect_no_complaint();
    ++totals_.stops_under_load;
  }

  static constexpr std::size_t limit = 100;

  const Settings& settings_;
  const Program& program_;
  std::uint64_t seed_;
  Totals& totals_;
  std::mt19937_64 random_;
  double share_;
  FaultPlan plan_;
  FaultPlan backend_plan_;
  std::unique_ptr<ChildProcess> backend_;
  std::unique_ptr<ChildProcess> server_;
  Crowd crowd_;
};

void print(const Totals& totals) {
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%llu rounds, %llu starts, %llu stops under load, %llu clients\n"
      "%llu whole requests: %llu right responses, %llu refusals, %llu connections closed first\n",
      number(totals.rounds), number(totals.starts), number(totals.stops_under_load),
      number(totals.seen.clients), number(totals.seen.requests), number(totals.seen.right),
      number(totals.seen.refusals), number(totals.seen.closed));
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
    const Sightings before = totals.seen;
    const auto fail = [&](const char* what) {
      std::printf(
          "FAILED  %s\n%s\nAgain: build/tests/faults --soak --build=%s --server=%s --seed=%llu\n",
          round.words().c_str(), what, settings.directory.c_str(), program.name,
          static_cast<unsigned long long>(seed));
      return 1;
    };
    try {
      round.run();
    } catch (const std::exception& trouble) {
      return fail(trouble.what());
    }
    std::printf("ok  %-45s %6llu requests, %6llu right\n",
                (std::string(program.name) + ", seed " + std::to_string(seed)).c_str(),
                static_cast<unsigned long long>(totals.seen.requests - before.requests),
                static_cast<unsigned long long>(totals.seen.right - before.right));
    std::fflush(stdout);
  }
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(settings.first_seed),
              static_cast<unsigned long long>(seed - 1));
  print(totals);
  const bool has_threads = std::any_of(wanted.begin(), wanted.end(), [](const Program& one) {
    return one.model == thread_per_connection;
  });
  for (const FaultKind& kind : all_fault_kinds) {
    if (kind.fault == Fault::no_thread && !has_threads) continue;
    if ((only(kind.fault) & process_faults) != 0) continue;
    if (totals.injected[static_cast<std::size_t>(kind.fault)] > 0) continue;
    std::printf("FAILED  %s has never happened\n", kind.name);
    return 1;
  }
  return 0;
}
