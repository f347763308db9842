// Coroutines that sleep, and that wait only so long.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>
#include <vector>

#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/client.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::string sleep_path(int length) {
  return "/sleep/" + std::to_string(length);
}

std::string slept(int length) {
  return "slept " + std::to_string(length) + " ms\n";
}

milliseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

// Clients whose answer is far away.
std::vector<Client> sleepers(Context& context, int count) {
  std::vector<Client> clients = asking_clients(context, count, "/sleep/60000");
  context.wait_until_quiet();
  return clients;
}

// A plain close would say only that they have nothing more to ask.
void reset_all(std::vector<Client> clients) {
  for (Client& client : clients) client.reset();
}

int as_many_as_allowed(int wished) {
  constexpr int fewest = 500;
  const int room = static_cast<int>(descriptor_limit()) - 100;
  if (room < fewest) throw Skipped{"too few descriptors allowed (ulimit -Hn)"};
  return std::min(wished, room);
}

// -- in which order? --

constexpr int groups = 4;  // of clients, each due a while after the one before
constexpr int first_due = 1000;
constexpr int gap = 500;

// Whenever somebody has been answered, whoever was due a group earlier has been, too.
void expect_order(Context& context, std::vector<Client>& clients) {
  const std::size_t in_each = clients.size() / groups;
  const auto length_of = [&](std::size_t i) {
    return first_due + static_cast<int>(i / in_each) * gap;
  };
  // The latest first, and all of them within less than the gap, or nothing could be said.
  const auto begin = Clock::now();
  for (std::size_t i = clients.size(); i-- > 0;) clients[i].get(sleep_path(length_of(i)));
  if (can_observe_sockets())  // a server that looks at its clock now and then is never quiet
    for (Client& client : clients) client.wait_until_read();
  else
    context.wait_until_quiet();
  if (since(begin) > milliseconds(gap) / 2) throw Inconclusive{"asking has taken too long"};
  std::vector<pollfd> watched;
  for (const Client& client : clients) watched.push_back({client.socket(), POLLIN, 0});
  const auto look = [&] { (void)poll(watched.data(), static_cast<nfds_t>(watched.size()), 0); };
  std::size_t latest = 0;  // that has been answered
  for (auto progress = Clock::now(); latest + 1 < clients.size();) {
    look();
    const std::size_t before = latest;
    for (std::size_t i = latest; i < clients.size(); ++i)
      if (watched[i].revents != 0) latest = i;
    if (latest != before) progress = Clock::now();
    if (Clock::now() - progress > context.timeout() + milliseconds(first_due))
      context.fail("client " + std::to_string(latest + 2) + " got no answer; " +
                   context.describe_server());
    look();  // at what was there when that one had been answered
    for (std::size_t i = 0; i < latest - latest % in_each; ++i)
      if (watched[i].revents == 0)
        context.fail("a client with " + sleep_path(length_of(latest)) +
                     " was answered, and one with " + sleep_path(length_of(i)) + " was not");
    std::this_thread::sleep_for(milliseconds(5));
  }
  for (std::size_t i = 0; i < clients.size(); ++i)
    clients[i].expect_response(200, slept(length_of(i)));
}

}  // namespace

const std::vector<Check> await_timer_checks = {
    {.name{"H01", "/sleep/150 is answered, and not before its time"},
     .hint{"to which side do you round when you tell epoll_wait how long to wait?",
           lesson::awaiting},
     .scene{"One client asked for /sleep/150, nobody else was there; then /sleep/0.",
            "'slept 150 ms' after 150 ms or more, and 'slept 0 ms'."},
     .run = Body([](Context& context) {
       Client client(context);
       const auto begin = Clock::now();
       client.ask("/sleep/150", 200, slept(150));
       context.expect(since(begin) >= milliseconds(150),
                      "it came after " + std::to_string(since(begin).count()) + " ms");
       client.ask("/sleep/0", 200, slept(0));
     })},

    {.name{"H02", "while one sleeps, others are answered"},
     .hint{"who sleeps: the coroutine, or the thread?", lesson::awaiting},
     .scene{"A client asked for /sleep/60000; when that had been read, another one asked for a "
            "word, and for /sleep/20.",
            "the other one is answered."},
     .run = Body([](Context& context) {
       const std::vector<Client> sleeper = sleepers(context, 1);
       Client other(context);
       other.expect_echo("word");
       other.ask("/sleep/20", 200, slept(20));
       context.forget_server();  // does it notice a sleeper's reset? H07 asks that
     })},

    {.name{"H03", "a time that is none, or too long, is 400"},
     .hint{"what does your reader of numbers say to -1, to an x, to nothing?", lesson::refusing},
     .scene{"I asked for /sleep/ and /within/ with times that are none, and for /within/10 without "
            "a path; then for /within/10000 with one.",
            "400 each time; the connection goes on."},
     .run = Body([](Context& context) {
       Client client(context);
       for (const char* path :
            {"/sleep/", "/sleep/-1", "/sleep/x", "/sleep/60001", "/sleep/99999999999999999999",
             "/within/x/echo/a", "/within/60001/echo/a", "/within/10", "/within//echo/a"}) {
         client.ask(path, 400);
       }
       client.ask("/within/10000/echo/after", 200, "after");
       client.ask("/within/10000/nothing", 404);
     })},

    {.name{"H04", "two thousand sleep, and are answered as they are due"},
     .needs = need_proc,
     .hint{"which of your sleepers do you look at when one of them may be due?", lesson::awaiting},
     .run = Body([](Context& context) {
       const int count = as_many_as_allowed(2000) / groups * groups;
       context.scene(std::to_string(count) +
                         " clients in four groups asked for sleeps of 1000, 1500, 2000 and 2500 "
                         "ms; the longest asked first.",
                     "when somebody of a group is answered, all of the groups before are.");
       std::vector<Client> clients = connected_clients(context, count);
       context.settle();
       expect_order(context, clients);
     })},

    {.name{"H05", "a thousand sleepers need one thread, which sleeps as well"},
     .needs = need_proc,
     .hint{"until when may epoll_wait wait?", lesson::awaiting},
     .run = Body([](Context& context) {
       const int count = as_many_as_allowed(1000);
       context.scene(std::to_string(count) + " clients asked for /sleep/60000.",
                     "there is one thread, and it does not wake up meanwhile.");
       const std::vector<Client> sleeping = sleepers(context, count);
       context.expect(context.threads() == 1,
                      "there are " + std::to_string(context.threads()) + " threads");
       context.expect_asleep("With " + std::to_string(count) + " sleepers");
       context.forget_server();
     })},

    {.name{"H06", "sleepers cost an active client nothing"},
     .needs = need_proc | need_plain_build,
     .hint{"what do you do for each sleeper whenever the loop wakes up?", lesson::being_told},
     .run = Body([](Context& context) {
       const int count = as_many_as_allowed(4000);
       context.scene("I measured the CPU time of a request alone, and with " +
                         std::to_string(count) + " sleepers.",
                     "the same, as near as can be measured.");
       Client active(context);
       active.expect_echo("x");
       // Others may use the machine more in one half than in the other: a cost that is the
       // server's own is there each time.
       constexpr int most_tries = 4;
       const std::size_t descriptors = context.descriptors();
       std::string seen;
       for (int i = 0; i < most_tries && context.descriptors() <= descriptors; ++i) {
         const double alone = cost_per_request(context, active);
         std::vector<Client> sleeping = sleepers(context, count);
         const double beside = cost_per_request(context, active);
         seen = "a request cost " + std::to_string(static_cast<int>(alone / 1000)) +
                " microseconds alone and " + std::to_string(static_cast<int>(beside / 1000)) +
                " beside them";
         if (beside < 1.5 * alone + 10'000) return context.forget_server();
         reset_all(std::move(sleeping));
         context.wait_until_quiet();
       }
       context.fail(seen);
     })},

    {.name{"H07", "who resets in its sleep is gone at once, with all it had"},
     .needs = need_proc,
     .hint{"which descriptor does a conversation watch that waits for a moment?", lesson::frames},
     .scene{"300 clients asked for /sleep/60000, and reset when that had been read; ten times.",
            "each time their descriptors are closed long before the minute is over, and in the end "
            "the server has grown by 1 MiB at most."},
     .run = Body([](Context& context) {
       context.settle();
       const std::size_t descriptors = context.descriptors();
       Memory before{};
       for (int i = 0; i < 10; ++i) {
         reset_all(sleepers(context, 300));
         context.expect_back_to({descriptors});
         if (i == 0) before = context.memory();
       }
       context.settle();
       context.expect_growth_below(1024, &Memory::anonymous_kib, before);
     })},

    {.name{"H08", "who half-closes or goes on asking is answered, and wakes nobody"},
     .needs = need_proc,
     .hint{"recv says 0, or there are bytes. How often will epoll_wait tell you?", lesson::leaving},
     .scene{"Two clients asked for /sleep/2000. Then one closed its sending side, and the other "
            "sent its next request.",
            "the server sleeps meanwhile, and all three requests are answered."},
     .run = Body([](Context& context) {
       Client half_closed(context);
       Client eager(context);
       for (Client* client : {&half_closed, &eager}) {
         client->get("/sleep/2000");
         client->wait_until_read();
       }
       half_closed.half_close();
       eager.get("/echo/next");
       context.expect_asleep_now("meanwhile");  // to wait for rest would be to wait out the sleeps
       half_closed.expect_response(200, slept(2000));
       half_closed.expect_end();
       eager.expect_response(200, slept(2000));
       eager.expect_response(200, "next");
     })},

    {.name{"H09", "a sleep is no silence: -t does not count in it"},
     .hint{"whose silence does -t limit?", lesson::time_limits},
     .scene{"With -t 0.5, a client asked for /sleep/1300, and then was silent.",
            "it is answered, and closed some time after that."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.5"});
       Client client(context);
       client.ask("/sleep/1300", 200, slept(1300));
       client.expect_end();
     })},

    {.name{"H10", "a backend too slow for /within: 504, and it is let go"},
     .hint{"who owns the connection to the backend, and when is that destroyed?", lesson::backend},
     .scene{"With -t 30, a client asked for /within/200/row; the backend did not answer.",
            "504 after 200 ms or more; the connection to the backend is closed, the client's goes "
            "on."},
     .run = Body([](Context& context) {
       Backend backend(context, {"-t", "30"});
       Client client(context);
       const auto begin = Clock::now();
       client.get("/within/200/row");
       BackendCall call = backend.take(context);
       client.expect_response(504);
       context.expect(since(begin) >= milliseconds(200),
                      "it came after " + std::to_string(since(begin).count()) + " ms");
       context.expect(call.is_left_within(context.timeout()),
                      "the 504 came, but the backend's connection is still open");
       client.expect_echo("after");
     })},

    {.name{"H11", "what is there in time is the answer, and its deadline is gone with it"},
     .hint{"who takes the deadline off the list when it is not needed any more?", lesson::awaiting},
     .scene{"A client asked for /within/20000/row, which the backend answered at once; then for "
            "/within/300/sleep/20 and /within/300/echo/word, and after each for /sleep/700.",
            "the row; and no sleep is cut short by a deadline of what came before."},
     .run = Body([](Context& context) {
       Backend backend(context);
       Client client(context);
       client.get("/within/20000/row?a=1");
       BackendCall call = backend.take(context);
       context.expect(call.first_line() == "GET /row?a=1 HTTP/1.0",
                      "the backend was asked '" + readable(call.first_line()) + "'");
       call.answer("the row");
       client.expect_response(200, "the row");
       for (const char* path : {"/within/300/sleep/20", "/within/300/echo/word"}) {
         client.get(path);
         // 504 if the machine was busy; what counts is the deadline that is left behind.
         (void)client.read_response();
         const auto begin = Clock::now();
         client.ask("/sleep/700", 200, slept(700));
         context.expect(since(begin) >= milliseconds(700),
                        "the sleep behind " + std::string(path) + " was over after " +
                            std::to_string(since(begin).count()) + " ms");
       }
     })},

    {.name{"H12", "deadlines in deadlines, and around sleeps"},
     .hint{"is it the innermost wait that runs out of time, or one further out?", lesson::frames},
     .scene{"One client asked, one after the other, for sleeps within deadlines of which now the "
            "inner one and now the outer one is too short.",
            "504, 504, 504, and the answer that is there in time."},
     .run = Body([](Context& context) {
       Client client(context);
       for (const char* path : {"/within/50/sleep/60000", "/within/50/within/60000/sleep/60000",
                                "/within/60000/within/50/sleep/60000"}) {
         client.ask(path, 504);
       }
       client.ask("/within/60000/within/50000/sleep/30", 200, slept(30));
     })},

    {.name{"H13", "twenty thousand waits that are given up leave nothing behind"},
     .needs = need_proc | need_plain_build,
     .hint{"a coroutine is suspended for ever: who destroys its frame?", lesson::frames},
     .scene{
         "200 clients asked for /within/1/sleep/60000, ten times each; then a hundred times each.",
         "504 each time, and the second round leaves 2 MiB at most behind."},
     .run = Body([](Context& context) {
       std::vector<Client> clients = connected_clients(context, 200);
       const auto give_up = [&clients](int times) {
         std::string requests;
         for (int i = 0; i < times; ++i) requests += get_request("/within/1/sleep/60000");
         for (Client& client : clients) client.send(requests);
         for (Client& client : clients)
           for (int i = 0; i < times; ++i) client.expect_response(504);
       };
       give_up(10);
       context.settle();
       const Memory before = context.memory();
       give_up(100);
       context.settle();
       context.expect_growth_below(2048, &Memory::anonymous_kib, before);
     })},

    {.name{"H14", "answer and deadline in one wake-up: only one of them"},
     .hint{"the event and the alarm are for the same coroutine. Who is destroyed by the first?",
           lesson::frames},
     .scene{"Five clients asked for /within/150/row. While the server computed a /spin, the "
            "backend answered and the deadlines passed.",
            "each gets the row or 504, one answer, and its connection goes on."},
     .run = Body([](Context& context) {
       Backend backend(context);
       std::vector<Client> clients;
       std::vector<BackendCall> calls;
       for (int i = 0; i < 5; ++i) {
         clients.emplace_back(context).get("/within/150/row");
         calls.push_back(backend.take(context));
       }
       Client spinner(context);
       spinner.get("/spin/300");
       spinner.wait_until_read();
       for (BackendCall& call : calls) call.answer("row");
       spinner.expect_response(200, "spun 300 ms\n");
       for (Client& client : clients) {
         const ReceivedResponse response = client.read_response();
         const bool is_row = response.status == 200 && response.body == "row";
         context.expect(is_row || response.status == 504,
                        "one was answered with " + std::to_string(response.status));
         client.expect_echo("after");
       }
     })},

    {.name{"H15", "pipelined requests around sleeps come back in order"},
     .hint{"what do you do with a client's next request while it sleeps?", lesson::reading},
     .scene{"One client sent a word, a sleep, one that is given up, another sleep and another word "
            "in one piece.",
            "five answers in that order."},
     .run = Body([](Context& context) {
       Client client(context);
       client.send(get_request("/echo/before") + get_request("/sleep/60") +
                   get_request("/within/20/sleep/60000") + get_request("/sleep/1") +
                   get_request("/echo/behind"));
       client.expect_response(200, "before");
       client.expect_response(200, slept(60));
       client.expect_response(504);
       client.expect_response(200, slept(1));
       client.expect_response(200, "behind");
     })},

    {.name{"H16", "SIGTERM while clients sleep: they get their answers"},
     .hint{"which clients may be closed at once, and which have been promised something?",
           lesson::stopping},
     .scene{"Ten clients asked for /sleep/400; then came SIGTERM.",
            "ten answers, ten ends, and exit status 0."},
     .run = Body([](Context& context) {
       std::vector<Client> clients = asking_clients(context, 10, "/sleep/400");
       for (Client& client : clients) client.wait_until_read();
       context.server().signal(SIGTERM);
       for (Client& client : clients) {
         client.expect_response(200, slept(400));
         client.expect_end();
       }
       context.expect_exit_status_0();
     })},

    {.name{"H17", "due, and reset, in one wake-up"},
     .needs = need_proc,
     .hint{"one of the two destroys the coroutine. What does the other one point to then?",
           lesson::frames},
     .scene{"50 clients asked for /sleep/300. While the server computed a /spin, every other one "
            "reset and the time of all ran out.",
            "the others are answered, and nothing of those is left."},
     .run = Body([](Context& context) {
       context.settle();
       const std::size_t before = context.descriptors();
       std::vector<Client> staying;
       std::vector<Client> leaving;
       for (int i = 0; i < 25; ++i) {
         staying.emplace_back(context).get("/sleep/300");
         leaving.emplace_back(context).get("/sleep/300");
       }
       Client spinner(context);
       spinner.get("/spin/320");
       spinner.wait_until_read();
       for (Client& client : leaving) client.reset();
       spinner.expect_response(200, "spun 320 ms\n");
       spinner.close();
       for (Client& client : staying) {
         client.expect_response(200, slept(300));
         client.expect_echo("after");
       }
       context.expect_back_to({before + staying.size()});
     })},
};
