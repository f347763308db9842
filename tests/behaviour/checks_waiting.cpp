// Waiting: is the model what it says it is? How many threads, asleep in which call, at what cost?
#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/behaviour/catalogue.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/kit/client.hpp"

namespace {

// Threads that a sanitizer may bring along.
std::size_t extra_threads(const Context& context) {
  return context.sanitizers().thread ? 1 : 0;
}

// How many of the server's threads sleep in which call, ordered by name: "recvfrom recvfrom poll".
std::multiset<std::string> calls_slept_in(Context& context) {
  std::multiset<std::string> calls;
  context.wait_until_quiet();
  for (const ThreadLook& thread : threads_of(context.server().pid())) {
    const auto call = call_of(context.server().pid(), thread.id);
    if (!call) throw Skipped{"the call a thread sleeps in cannot be seen here"};
    calls.insert(*call);
  }
  return calls;
}

std::string joined(const std::multiset<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::size_t count_of(const std::multiset<std::string>& calls, const std::set<std::string>& wanted) {
  return static_cast<std::size_t>(
      std::count_if(calls.begin(), calls.end(),
                    [&wanted](const std::string& call) { return wanted.count(call) > 0; }));
}

// The calls that whoever waits like this sleeps in.
std::set<std::string> calls_of_model(const Context& context) {
  std::istringstream words(program_of(context.tested().model).sleeps_in);
  return {std::istream_iterator<std::string>(words), {}};
}

struct Costs {
  double alone;
  double with_idle;
  std::string words;
};

Costs costs_with_idle(Context& context, int idle) {
  if (descriptor_limit() < 1700) throw Skipped{"too few descriptors allowed (ulimit -n)"};
  Client active(context);
  active.ask("/echo/x", 200);
  const double alone = cost_per_request(context, active);
  const std::vector<Client> others = answered_clients(context, idle);
  context.wait_until_quiet();
  const double with_idle = cost_per_request(context, active);
  return {alone, with_idle,
          "a request cost " + std::to_string(static_cast<int>(alone / 1000)) +
              " microseconds of CPU time alone, and " +
              std::to_string(static_cast<int>(with_idle / 1000)) + " with " + std::to_string(idle) +
              " idle clients"};
}

}  // namespace

const std::vector<Check> waiting_checks = {
    {.name{"M01", "one thread serves all clients"},
     .models = loops | slow_backend | one_at_a_time,
     .needs = need_proc,
     .hint{"who said that many clients need many threads?", lesson::asking},
     .scene{"I looked at the threads with 20 clients connected.", "there is one."},
     .run = Body([](Context& context) {
       const int count = context.is(one_at_a_time) ? 1 : 20;
       const std::vector<Client> clients = answered_clients(context, count);
       context.expect(context.threads() <= 1 + extra_threads(context),
                      "there are " + std::to_string(context.threads()));
     })},

    {.name{"M02", "one thread for each client, and one that accepts"},
     .models = thread_per_connection,
     .needs = need_proc,
     .hint{"where is each thread while its client is silent?", lesson::threads},
     .scene{"I looked at the threads with no client, with 20, and with 5 of them.",
            "1, 21, and 6 when the threads of those who left have ended."},
     .run = Body([](Context& context) {
       context.settle();
       const std::size_t alone = context.threads();
       context.expect(alone <= 1 + extra_threads(context),
                      "with no client there are " + std::to_string(alone));
       std::vector<Client> clients = answered_clients(context, 20);
       context.expect(context.threads() == alone + 20,
                      "with 20 clients there are " + std::to_string(context.threads()));
       while (clients.size() > 5) clients.pop_back();
       context.eventually(
           [&] { return context.threads() == alone + 5; },
           [&] { return "with 5 clients there are " + std::to_string(context.threads()); });
     })},

    {.name{"M03", "with no client it sleeps"},
     .needs = need_proc,
     .hint{"does the call that waits have a time limit, and does it need one?", lesson::asking},
     .scene{"I watched the server before the first client, and after the last.", "it sleeps."},
     .run = Body([](Context& context) {
       context.server();
       context.expect_asleep("Before the first client");
       context.settle();
       context.expect_asleep("After the last client");
     })},

    {.name{"M04", "with a thousand silent clients it sleeps"},
     .models = every_concurrent,
     .needs = need_proc,
     .hint{"is anybody told to look again who has nothing to look for?", lesson::asking},
     .scene{"I watched the server with 1000 silent clients, half of which had been answered once.",
            "it sleeps: no time limit is asked for again and again."},
     .run = Body([](Context& context) {
       const int count = context.sanitizers().any() ? 100 : 1000;
       const std::vector<Client> answered = answered_clients(context, count / 2);
       std::vector<Client> silent = connected_clients(context, count / 2);
       context.settle();
       const auto begin = std::chrono::steady_clock::now();
       const std::uint64_t before = context.cpu_nanoseconds();
       context.expect_asleep("With " + std::to_string(count) + " silent clients");
       const std::uint64_t spent = (context.cpu_nanoseconds() - before) / 1'000;
       const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(
           std::chrono::steady_clock::now() - begin);
       context.expect(static_cast<double>(spent) < 0.04 * static_cast<double>(passed.count()),
                      "it has used " + std::to_string(spent) + " microseconds of CPU time in " +
                          std::to_string(passed.count()) + " on the clock");
     })},

    {.name{"M05", "it sleeps in the call of its model"},
     .models = loops,
     .needs = need_proc | need_plain_build,
     .hint{"which call waits?", lesson::being_told},
     .run = Body([](Context& context) {
       const std::set<std::string> wanted = calls_of_model(context);
       context.scene("I looked where the server sleeps with 5 idle clients.",
                     "in " + joined({wanted.begin(), wanted.end()}) + ".");
       const std::vector<Client> clients = answered_clients(context, 5);
       const auto calls = calls_slept_in(context);
       context.expect(count_of(calls, wanted) == calls.size(), "it sleeps in " + joined(calls));
     })},

    {.name{"M06", "each thread sleeps in the read of its client"},
     .models = thread_per_connection | one_at_a_time,
     .needs = need_proc | need_plain_build,
     .hint{"what does a parked thread look like from outside?", lesson::threads},
     .scene{"I looked where the threads sleep with idle clients.",
            "one thread in read or recv for each client that is served."},
     .run = Body([](Context& context) {
       const std::size_t count = context.is(one_at_a_time) ? 1 : 5;
       const std::vector<Client> clients = answered_clients(context, static_cast<int>(count));
       const auto calls = calls_slept_in(context);
       context.expect(count_of(calls, calls_of_model(context)) == count,
                      "they sleep in " + joined(calls));
     })},

    {.name{"M07", "nobody waits for room to write who has nothing to write"},
     .models = queue_loops,
     .needs = need_proc,
     .hint{"an empty socket is always writable. What does the queue say if you ask for that?",
           lesson::being_told},
     .scene{"I looked at what is registered for 10 idle clients.",
            "each is watched for reading, none for writing."},
     .run = Body([](Context& context) {
       const std::vector<Client> clients = answered_clients(context, 10);
       context.wait_until_quiet();
       const std::vector<std::uint32_t> masks = epoll_masks_of(context.server().pid());
       context.expect(masks.size() >= 10,
                      "only " + std::to_string(masks.size()) + " descriptors are registered");
       constexpr std::uint32_t out = 0x4;                      // EPOLLOUT
       constexpr std::uint32_t edge = std::uint32_t{1} << 31;  // EPOLLET: armed once for both
       for (const std::uint32_t mask : masks)
         context.expect((mask & out) == 0 || (mask & edge) != 0, "one is watched for writing, too");
     })},

    {.name{"M08", "idle clients cost an active one nothing"},
     .models = queue_loops,
     .needs = need_proc | need_peace,
     .hint{"what does your loop do for each client on each wake-up?", lesson::being_told},
     .scene{"I measured the CPU time of a request with 1 client, and with 1500 idle ones.",
            "the same, as near as can be measured."},
     .run = Body([](Context& context) {
       const Costs costs = costs_with_idle(context, 1500);
       context.expect(costs.with_idle < 2 * costs.alone + 10'000, costs.words);
     })},

    {.name{"M09", "who asks about all pays for all"},
     .models = scan_loops,
     .needs = need_proc | need_plain_build | need_peace,
     .hint{"how long is the list that the kernel goes through on each call?", lesson::asking},
     .run = Body([](Context& context) {
       // As many as it can hold: one more, and what a program has besides.
       const std::size_t most = most_clients(program_of(context.tested().model), 74);
       const int idle = most > 0 ? static_cast<int>(most) : 1500;
       context.scene("I measured the CPU time of a request with 1 client, and with " +
                         std::to_string(idle) + " idle ones.",
                     "clearly more: that is what this server is there to show.");
       const Costs costs = costs_with_idle(context, idle);
       context.expect(costs.with_idle > 1.5 * costs.alone, costs.words);
     })},

    {.name{"M10", "one handler that computes holds up everybody"},
     .models = loops,
     .hint{"what can an event loop not hide?", lesson::being_told},
     .scene{
         "Client 1 asked for /spin/100; when the server had read that, client 2 asked for a word.",
         "client 2 is not answered before client 1: that is the price of one thread."},
     .run = Body([](Context& context) {
       Client spinning(context);
       spinning.get("/spin/100");
       spinning.wait_until_read();
       Client waiting(context);
       waiting.expect_echo("word");
       context.expect(spinning.something_arrives_within(std::chrono::milliseconds(0)),
                      "client 2 was answered first, as if there were a second thread");
     })},

    {.name{"M11", "one handler that computes holds up nobody else"},
     .models = thread_per_connection,
     .hint{"who else could run meanwhile?", lesson::threads},
     .scene{
         "Client 1 asked for /spin/400; when the server had read that, client 2 asked for a word.",
         "client 2 is answered first."},
     .run = Body([](Context& context) {
       Client waiting(context);
       waiting.ask("/echo/known", 200);
       Client spinning(context);
       spinning.get("/spin/400");
       spinning.wait_until_read();
       waiting.expect_echo("word");
       context.expect(!spinning.something_arrives_within(std::chrono::milliseconds(0)),
                      "client 1 was answered first");
     })},
};
