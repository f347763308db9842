// Computing that is left to threads.
#include <algorithm>
#include <csignal>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/client.hpp"

namespace {

constexpr auto short_while = std::chrono::milliseconds(1);

// On a busy machine computing takes as long as it takes: the timeout runs out only while the server
// gets no further, and that it burns processor time is getting further, until it has burned more
// than any check asks for.
void wait_while_it_computes(Context& context, const std::function<bool()>& is_over) {
  using Clock = std::chrono::steady_clock;
  constexpr std::uint64_t most_burned = 10'000'000'000;  // ns
  const auto burned = [&context] { return cpu_nanoseconds_of(context.server().pid()).value_or(0); };
  const std::uint64_t before = burned();
  std::uint64_t last = before;
  auto last_progress = Clock::now();
  while (!is_over() && last - before < most_burned &&
         Clock::now() <= last_progress + context.timeout()) {
    const std::uint64_t now = burned();
    if (now > last) last_progress = Clock::now();
    last = std::max(last, now);
  }
}

// Whoever answers /spin at once, or when a timer says so, has left nothing to anybody.
class Work {
 public:
  // At least four fifths of it, because what is seen of the time comes in coarse steps.
  void expect_done(const Context& context, int milliseconds) const {
    const auto after = cpu_nanoseconds_of_descendants();
    if (!before_ || !after) return;
    const std::uint64_t burned = (*after - std::min(*before_, *after)) / 1'000'000;
    context.expect(burned * 5 >= static_cast<std::uint64_t>(milliseconds) * 4,
                   "the answers are there, and the server has burned " + std::to_string(burned) +
                       " ms of CPU time for " + std::to_string(milliseconds) + " ms of computing");
  }

 private:
  std::optional<std::uint64_t> before_ = cpu_nanoseconds_of_descendants();
};

// How often two or more threads of the server were found runnable until a first answer came.
struct Crowding {
  int looks = 0;
  int crowded = 0;

  std::string words() const {
    return std::to_string(crowded) + " of " + std::to_string(looks) + " looks";
  }
};

Crowding watch_until_answered(Context& context, Client& client, std::chrono::milliseconds pause) {
  Crowding seen;
  while (!client.something_arrives_within(pause)) {
    int runnable = 0;
    for (const ThreadLook& thread : threads_of(context.server().pid()))
      runnable += thread.state == 'R' ? 1 : 0;
    ++seen.looks;
    seen.crowded += runnable >= 2 ? 1 : 0;
  }
  return seen;
}

void expect_looks(const Crowding& seen) {
  if (seen.looks == 0) throw Inconclusive{"the answer was there before the tester could look"};
}

// The answer to /spin.
void expect_spun(Context& context, Client& client, const std::string& body) {
  wait_while_it_computes(context, [&client] {
    return client.something_arrives_within(std::chrono::milliseconds(20));
  });
  client.expect_response(200, body);
}

}  // namespace

const std::vector<Check> offload_checks = {
    {.name{"O01", "four clients compute, a fifth is answered meanwhile"},
     .hint{"which thread burns the time of /spin, and who waits in epoll_wait meanwhile?",
           lesson::being_told},
     .scene{"Four clients asked for /spin/500; then a fifth asked for a word, again and again.",
            "the fifth is answered at least twice before the first of the four, and the four have "
            "cost 2,000 ms of CPU time."},
     .run = Body([](Context& context) {
       context.server();
       const Work work;
       std::vector<Client> spinning = asking_clients(context, 4, "/spin/500");
       Client other(context);
       int rounds = 0;
       for (; !spinning.front().something_arrives_within(short_while); ++rounds)
         other.expect_echo("quick");
       for (Client& client : spinning) expect_spun(context, client, "spun 500 ms\n");
       work.expect_done(context, 4 * 500);
       context.expect(rounds >= 2, "it was answered " + std::to_string(rounds) + " times");
     })},

    {.name{"O02", "two computations are under way at once"},
     .needs = need_proc,
     .hint{"how many threads take jobs out of your queue?", lesson::threads},
     .scene{"Four clients asked for /spin/400 at once.",
            "two threads or more are runnable, a third of the time at least, and they burn those "
            "1,600 ms."},
     .run = Body([](Context& context) {
       context.server();
       const Work work;
       std::vector<Client> spinning = asking_clients(context, 4, "/spin/400");
       const Crowding seen = watch_until_answered(context, spinning.front(), short_while);
       for (Client& client : spinning) expect_spun(context, client, "spun 400 ms\n");
       work.expect_done(context, 4 * 400);
       expect_looks(seen);
       context.expect(seen.crowded * 3 >= seen.looks, "two were runnable in " + seen.words());
     })},

    {.name{"O03", "fifty computations need no fifty threads"},
     .needs = need_proc,
     .hint{"what would a hundred thousand requests for /spin do to your server?", lesson::threads},
     .scene{"Fifty clients asked for /spin/20.",
            "never more than eight threads, the loop's own among them, and fifty answers."},
     .run = Body([](Context& context) {
       std::vector<Client> spinning = asking_clients(context, 50, "/spin/20");
       std::size_t most = 0;
       for (Client& client : spinning) {
         most = std::max(most, context.threads());
         expect_spun(context, client, "spun 20 ms\n");
       }
       context.expect(most <= 8, "there were " + std::to_string(most) + " threads");
     })},

    {.name{"O04", "pipelined requests around a /spin come back in order"},
     .hint{"what do you do with a client's next request while its last is being computed?",
           lesson::reading},
     .scene{"One client sent a word, two /spin and another word in one piece.",
            "four answers in that order."},
     .run = Body([](Context& context) {
       Client client(context);
       client.send(get_request("/echo/before") + get_request("/spin/60") + get_request("/spin/1") +
                   get_request("/echo/behind"));
       client.expect_response(200, "before");
       expect_spun(context, client, "spun 60 ms\n");
       expect_spun(context, client, "spun 1 ms\n");
       client.expect_response(200, "behind");
     })},

    {.name{"O05", "clients that reset while their answer is computed"},
     .needs = need_proc,
     .hint{"whose is the memory that the worker's result points to, and is it still there?",
           lesson::leaving},
     .scene{"Twenty clients asked for /spin/30 and reset the connection.",
            "the server lives, serves others, and keeps no descriptor of the twenty."},
     .run = Body([](Context& context) {
       context.settle();
       const std::size_t before = context.descriptors();
       for (int i = 0; i < 20; ++i) {
         Client client(context);
         client.get("/spin/30");
         client.wait_until_read();
         client.reset();
       }
       wait_while_it_computes(context, [&] {
         std::this_thread::sleep_for(std::chrono::milliseconds(20));
         return context.descriptors() <= before;
       });
       context.settle();
       context.expect_back_to({before});
     })},

    {.name{"O06", "SIGTERM while an answer is computed: it arrives"},
     .hint{"who waits for the workers before the loop ends?", lesson::stopping},
     .scene{"A client asked for /spin/300; then came SIGTERM.",
            "the answer, the end, and exit status 0."},
     .run = Body([](Context& context) {
       Client client(context);
       client.get("/spin/300");
       client.wait_until_read();
       context.server().signal(SIGTERM);
       expect_spun(context, client, "spun 300 ms\n");
       client.expect_end();
       context.expect_exit_status_0();
     })},

    {.name{"O07", "while a worker computes, the loop sleeps"},
     .needs = need_proc,
     .hint{"how does the loop learn that a job is done: does it ask, or is it told?",
           lesson::being_told},
     .scene{"A client asked for /spin/600, and then for a word.",
            "one thread burns the 600 ms, the others sleep meanwhile; then the word."},
     .run = Body([](Context& context) {
       Client client(context);
       const Work work;
       client.get("/spin/600");
       client.wait_until_read();
       client.get("/echo/behind");
       const Crowding seen = watch_until_answered(context, client, std::chrono::milliseconds(10));
       expect_spun(context, client, "spun 600 ms\n");
       work.expect_done(context, 600);
       expect_looks(seen);
       context.expect(seen.crowded * 100 <= seen.looks * 20,
                      "more than one thread was runnable in " + seen.words());
       client.expect_response(200, "behind");
     })},

    {.name{"O08", "who waits for its answer to be computed is not let go for being silent"},
     .hint{"whom does -t put under time, and who keeps whom waiting here?", lesson::time_limits},
     .scene{"With -t 0.3, a client asked for /spin/900.", "its answer."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.3"});
       Client client(context);
       client.get("/spin/900");
       expect_spun(context, client, "spun 900 ms\n");
     })},
};
