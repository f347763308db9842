// Limits: out of descriptors, out of threads, out of time.
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/behaviour/catalogue.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/kit/client.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// A server can have no more descriptors than its tester may give away.
void expect_hard_limit_of(std::size_t descriptors) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || std::cmp_less(limit.rlim_max, descriptors))
    throw Skipped{"too few descriptors allowed (ulimit -Hn)"};
}

// Fails if it has taken less than the time limit, which would be too early.
void expect_not_before(Context& context, Clock::time_point begin, milliseconds least) {
  const auto passed = std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
  context.expect(passed >= least,
                 "it came after " + std::to_string(passed.count()) + " ms already");
}

}  // namespace

const std::vector<Check> limit_checks = {
    {.name{"L01", "out of descriptors: it sleeps, and serves the clients it has"},
     .models = every_concurrent,
     .needs = need_proc,
     .hint{"accept() fails and the listener stays readable. What will the next wait say?",
           lesson::descriptors},
     .scene{"With a client connected I took away all further descriptors, and connected five more "
            "that asked.",
            "the first is served, the server sleeps, and the five are served as soon as there are "
            "descriptors again."},
     .run = Body([](Context& context) {
       Client known(context);
       known.expect_echo("known");
       context.settle();
       context.limit_descriptors(context.descriptors());
       std::vector<Client> others;
       for (int i = 0; i < 5; ++i) others.emplace_back(context).get("/echo/" + std::to_string(i));
       context.expect_no_spinning("With no descriptor left and clients waiting");
       known.expect_echo("still");
       context.limit_descriptors(1000);
       for (int i = 0; i < 5; ++i)
         others[static_cast<std::size_t>(i)].expect_response(200, context.echo(std::to_string(i)));
     })},

    {.name{"L02", "out of descriptors with nobody connected: it sleeps and recovers"},
     .needs = need_proc,
     .hint{"who tries accept() again, and when?", lesson::descriptors},
     .scene{"I took away all further descriptors, and connected three clients that asked.",
            "the server sleeps, and serves them as soon as there are descriptors."},
     .run = Body([](Context& context) {
       context.settle();
       context.limit_descriptors(context.descriptors());
       std::vector<Client> clients;
       for (int i = 0; i < 3; ++i)
         clients.emplace_back(context).send(get_request("/echo/x", "Connection: close\r\n"));
       context.expect_no_spinning("With no descriptor left and clients waiting");
       context.limit_descriptors(1000);
       for (Client& client : clients) client.expect_response(200, context.echo("x"));
     })},

    {.name{"L03", "more clients than descriptors: all are served in the end"},
     .models = every_concurrent,
     .hint{"when a client leaves, who takes the next one out of the backlog?", lesson::descriptors},
     .scene{"With a limit of 40 descriptors, 60 clients connected; then one after the other asked, "
            "was answered and left.",
            "all 60 are answered."},
     .run = Body([](Context& context) {
       context.start({.descriptor_limit = 40});
       std::vector<Client> clients = connected_clients(context, 60);
       context.wait_until_quiet();
       for (std::size_t i = 0; i < clients.size(); ++i) {
         clients[i].expect_echo(std::to_string(i));
         clients[i].close();
       }
     })},

    {.name{"L04", "more clients than threads: they wait in the backlog"},
     .models = thread_per_connection,
     .needs = need_proc | need_sockets,
     .hint{"where can a client wait that has no thread yet?", lesson::threads},
     .scene{"With -n 4, ten clients connected and asked.",
            "four are answered; the others wait, and each is served when one leaves. None is "
            "turned away."},
     .run = Body([](Context& context) {
       context.start_with({"-n", "4"});
       context.settle();
       const std::size_t before = context.threads();
       std::vector<Client> clients;
       for (int i = 0; i < 10; ++i) clients.emplace_back(context).get("/echo/" + std::to_string(i));
       for (std::size_t i = 0; i < 4; ++i) clients[i].expect_response(200, std::to_string(i));
       context.expect_asleep("With all four threads taken");
       context.expect(context.threads() <= before + 4,
                      "it has " + std::to_string(context.threads() - before) + " threads more");
       for (std::size_t i = 4; i < 10; ++i)
         context.expect(!clients[i].something_arrives_within(milliseconds(0)),
                        "client " + std::to_string(i + 1) + " was answered or closed");
       for (std::size_t i = 4; i < 10; ++i) {
         clients[i - 4].close();
         clients[i].expect_response(200, std::to_string(i));
       }
     })},

    {.name{"L05", "no memory for a thread: 503, and life goes on"},
     .models = thread_per_connection,
     .needs = need_proc | need_plain_build,
     .disturbed_by = every_fault,
     .hint{"what does pthread_create() return when there is no room for a stack?", lesson::threads},
     .scene{"With stacks of 1 GiB and room for only one, three clients asked; then all left and "
            "another one asked.",
            "the first is served, the others get 503 or wait; the last is served."},
     .run = Body([](Context& context) {
       context.start(
           {.arguments = {"-s", "1048576"}, .address_space_limit = std::size_t{1800} << 20});
       {
         Client first(context);
         first.expect_echo("first");
         Client second(context);
         second.get("/echo/second");
         second.expect_last_response(503);
         first.expect_echo("again");
       }
       // Its thread may need a moment to end; until then it is 503.
       int status = 0;
       context.eventually(
           [&] {
             Client next(context);
             next.get("/echo/next");
             return (status = next.read_response().status) == 200;
           },
           [&] { return "the next client still gets " + std::to_string(status); });
     })},

    {.name{"L06", "threads are joined: their stacks do not pile up"},
     .models = thread_per_connection,
     .needs = need_proc | need_plain_build,
     .hint{"what is left of a thread that has ended and that nobody has joined?", lesson::threads},
     .scene{"30 clients came and went, then 200 more.",
            "the address space grows by less than 200 MB, and no thread is left."},
     .run = Body([](Context& context) {
       const auto visit = [&context](int count) {
         for (int i = 0; i < count; ++i) Client(context).expect_echo("x");
         context.settle();
       };
       visit(30);
       const Holdings before = context.holdings();
       const Memory memory_before = context.memory();
       visit(200);
       context.expect_growth_below(200 * 1024, &Memory::virtual_kib, memory_before);
       context.expect_back_to(before);
     })},

    {.name{"L07", "a descriptor that select() cannot watch is turned away with 503"},
     .models = select_loop,
     .disturbed_by = every_fault,
     .hint{"what does FD_SET do with a number of 1024?", lesson::asking},
     .scene{"With descriptors 20 to 1019 taken, 50 clients connected and asked.",
            "those whose descriptors fit are served, the others get 503 and an end; when some have "
            "left, new ones are served."},
     .run = Body([](Context& context) {
       expect_hard_limit_of(1300);
       context.start({.descriptor_limit = 1300, .occupied_below = 1020});
       std::vector<Client> served;
       int refused = 0;
       for (int i = 0; i < 50; ++i) {
         Client client(context);
         client.get("/echo/x");
         const ReceivedResponse response = client.read_response();
         if (response.status == 200) {
           served.push_back(std::move(client));
           continue;
         }
         context.expect(response.status == 503 && response.closes(),
                        "a client got status " + std::to_string(response.status));
         client.expect_end();
         ++refused;
       }
       context.expect(
           served.size() >= 5 && refused >= 20,
           std::to_string(served.size()) + " were served, " + std::to_string(refused) + " got 503");
       for (Client& client : served) client.expect_echo("still");
       served.clear();
       context.wait_until_quiet();  // they may be seen to leave after the next one is seen
       context.settle();
     })},

    {.name{"L08", "a backend connection that select() cannot watch is 503"},
     .models = select_loop,
     .disturbed_by = every_fault,
     .hint{"which descriptors does a conversation have besides the client's?", lesson::asking},
     .scene{
         "With descriptors 20 to 1099 taken, and clients on the others, one client asked for /row.",
         "503, and the connection goes on."},
     .run = Body([](Context& context) {
       expect_hard_limit_of(1300);
       const Backend backend;
       context.start({.arguments = {"-b", backend.port_text()},
                      .descriptor_limit = 1300,
                      .occupied_below = 1100});
       std::vector<Client> served;
       for (bool full = false; !full;) {
         Client client(context);
         client.get("/echo/x");
         full = client.read_response().status != 200;
         if (!full) served.push_back(std::move(client));
       }
       served.front().ask("/row", 503);
       served.front().expect_echo("still");
     })},

    {.name{"L09",
           "a flood at the limit of descriptors: it sleeps, and goes on when one comes free"},
     .models = every_concurrent,
     .needs = need_proc | need_peace,
     .hint{"how long after a descriptor has come free does anybody try accept() again?",
           lesson::descriptors},
     .scene{"With no descriptor left and 300 clients asking in the backlog, I closed one of the "
            "clients that are served; again and again, fifteen times at most.",
            "the server sleeps meanwhile, and each time one of the 300 is answered, three of them "
            "within 100 ms and a little."},
     .run = Body([](Context& context) {
       constexpr std::size_t tries = 15;
       context.start({.descriptor_limit = 1000});
       std::vector<Client> served;
       for (std::size_t i = 0; i < tries; ++i) served.emplace_back(context).expect_echo("known");
       context.wait_until_quiet();
       context.limit_descriptors(context.descriptors());
       std::vector<Client> flood = asking_clients(context, 300, "/echo/flood");
       context.expect_no_spinning("With no descriptor left and clients waiting");
       std::size_t answered = 0;
       int quick = 0;
       for (; quick < 3 && answered < tries; ++answered) {
         const auto begin = Clock::now();
         served[answered].close();
         flood[answered].expect_response(200, context.echo("flood"));
         quick += Clock::now() - begin <= milliseconds(120) ? 1 : 0;
       }
       context.expect(quick == 3, "most of them had to wait for longer");
       context.limit_descriptors(1000);
       for (; answered < flood.size(); ++answered)
         flood[answered].expect_response(200, context.echo("flood"));
     })},

    {.name{"T01", "silent clients are closed after -t seconds"},
     .hint{"who looks at the clock while everybody is silent?", lesson::time_limits},
     .scene{"With -t 0.5, clients connected and were silent, some after a request.",
            "each is closed, not before 0.5 s, though nobody else does anything."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.5"});
       const auto begin = Clock::now();
       Pace pace(milliseconds(250));
       std::vector<Client> clients;
       for (int i = 0; i < (context.is(one_at_a_time) ? 2 : 20); ++i) {
         clients.emplace_back(context);
         if (i % 2 == 0) clients.back().get("/echo/x");
         pace.step(milliseconds(0));
       }
       for (std::size_t i = 0; i < clients.size(); i += 2)
         clients[i].expect_response(200, context.echo("x"));
       clients.front().expect_end();
       expect_not_before(context, begin, milliseconds(490));
       for (std::size_t i = 1; i < clients.size(); ++i) clients[i].expect_end();
       context.settle();
     })},

    {.name{"T02", "one byte and silence: 408, and closed"},
     .hint{"from when on does a request have its time?", lesson::time_limits},
     .scene{"With -t 0.5, a client sent one byte and was silent.", "408 and the end."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.5"});
       Client client(context);
       const auto begin = Clock::now();
       client.send("G");
       // The pretend backend just closes, which is enough for its only clients, the servers.
       if (context.is(slow_backend))
         client.expect_end();
       else
         client.expect_last_response(408);
       expect_not_before(context, begin, milliseconds(400));
     })},

    {.name{"T03", "a byte now and then buys no time"},
     .hint{"does every byte start the clock anew?", lesson::time_limits},
     .scene{"With -t 1, a client sent a byte of its request every 50 ms, without end.",
            "408 and the end after a second."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "1"});
       Client client(context);
       client.send("GET / HTTP/1.1\r\nHost: x\r\nX: ");
       Pace pace(milliseconds(700));
       const auto deadline = Clock::now() + context.timeout();
       while (!client.something_arrives_within(milliseconds(0))) {
         context.expect(Clock::now() < deadline, "it is still listened to. " + client.describe());
         if (!client.try_to_send("x")) break;
         pace.step(milliseconds(50));
       }
       if (!context.is(slow_backend)) client.expect_response(408);
       client.expect_end();
     })},

    {.name{"T04", "who does not take its answer is closed"},
     .models = servers,
     .needs = need_sockets,
     .hint{"how long may an answer wait in your buffers, and what renews that time?",
           lesson::time_limits},
     .scene{"With -t 0.5, a client asked for 50 MB and did not read.",
            "the server closes it; others are served."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.5"});
       Client client(context);
       client.get("/bytes/50000000");
       client.wait_until_server_closes();
       context.settle();
     })},

    {.name{"T05", "who takes its answer slowly is not closed"},
     .models = servers,
     .needs = need_sockets,
     .hint{"is it the time for the whole answer, or for the next bytes of it?",
           lesson::time_limits},
     .scene{"With -t 1 and small server buffers, a client read 4 MB in pieces, one every 150 ms, "
            "for longer than 2 s.",
            "it gets every byte."},
     .run = Body([](Context& context) {
       context.start_small({"-t", "1"});
       constexpr std::size_t size = 4'000'000;
       Client client = stuck_client(context, size, {});
       client.read_head();
       Pace pace(milliseconds(600));
       constexpr std::size_t piece = size / 16;
       for (std::size_t at = 0; at < size; at += piece) {
         client.read_pattern(at, piece);
         pace.step(milliseconds(150));
       }
       client.expect_echo("after");
     })},

    {.name{"T06", "every request starts the clock anew"},
     .hint{"which events show that a client is alive?", lesson::time_limits},
     .scene{"With -t 0.8, a client sent a request every 200 ms for 2 s.", "all are answered."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.8"});
       Client client(context);
       Pace pace(milliseconds(500));
       for (int i = 0; i < 10; ++i) {
         client.expect_echo("x");
         pace.step(milliseconds(200));
       }
     })},

    {.name{"T07", "time limits of many clients, each at its own time"},
     .models = every_concurrent,
     .hint{"when one client's time starts anew, whose is the next to run out?",
           lesson::time_limits},
     .scene{"With -t 0.6, three clients were silent from the start while a fourth, older than all "
            "of them, asked every 100 ms.",
            "the three are closed, the fourth is served all the time."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.6"});
       Client busy(context);
       std::vector<Client> silent = connected_clients(context, 3);
       Pace pace(milliseconds(400));
       const auto ask = [&] {
         busy.expect_echo("x");
         pace.step(milliseconds(100));
       };
       for (int i = 0; i < 12; ++i) ask();
       const auto is_told = [](Client& client) {
         return client.something_arrives_within(milliseconds(0));
       };
       const auto deadline = Clock::now() + context.timeout();
       while (!std::all_of(silent.begin(), silent.end(), is_told)) {
         context.expect(Clock::now() < deadline, "as long as the fourth asks, they are not");
         ask();
       }
       for (Client& client : silent) client.expect_end();
     })},

    {.name{"T08", "a silent client is closed also while another one keeps asking"},
     .models = concurrent,
     .hint{"a wait takes as long as you say. From when does that time count?", lesson::time_limits},
     .scene{"With -t 0.5, one client was silent while another asked every 50 ms.",
            "the silent one is closed before the other has asked 60 times."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.5"});
       Client busy(context);
       Client silent(context);
       for (int i = 0; i < 60; ++i) {
         busy.expect_echo("x");
         if (silent.something_arrives_within(std::chrono::milliseconds(50)))
           return silent.expect_end();
       }
       context.fail("it is still connected");
     })},

    {.name{"T09", "signals buy no time"},
     .hint{"what do you do when the wait says EINTR: begin it anew, with the whole time?",
           lesson::signals},
     .scene{"With -t 0.5, a client was silent while SIGUSR1 came every 30 ms.",
            "it is closed before a hundred signals have come."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.5"});
       Client silent(context);
       for (int i = 0; i < 100; ++i) {
         context.server().signal(SIGUSR1);
         if (silent.something_arrives_within(milliseconds(30))) return silent.expect_end();
       }
       context.fail("it is still connected");
     })},

    {.name{"T10", "nor do they for an answer that nobody takes"},
     .models = servers,
     .needs = need_sockets,
     .hint{"what do you do when send() says EINTR?", lesson::signals},
     .scene{
         "With -t 0.5, a client asked for 50 MB and did not read, while SIGUSR1 came every 30 ms.",
         "it is closed before a hundred signals have come."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.5"});
       Client client = stuck_client(context, 50'000'000, {});
       for (int i = 0; i < 100; ++i) {
         context.server().signal(SIGUSR1);
         std::this_thread::sleep_for(milliseconds(30));
         if (client.is_closed_by_server()) return;
       }
       context.fail("it is still connected");
     })},

    {.name{"T11", "the same time for everybody who keeps it waiting"},
     .models = servers,
     .needs = need_sockets | need_peace,
     .hint{"a timeout begins anew with each call that waits. Does the client's time?",
           lesson::time_limits},
     .scene{"With -t 1 and small buffers, one after the other: a client was silent; one sent half "
            "a request, and a byte more after 0.7 s; one asked for 300,000 bytes and did not read.",
            "each is told or closed after the same time, or half as much again at most."},
     .run = Body([](Context& context) {
       context.start_small({"-t", "1"});
       const auto seconds_since = [](Clock::time_point begin) {
         return std::chrono::duration<double>(Clock::now() - begin).count();
       };
       Client silent(context);
       silent.expect_echo("x");
       auto begin = Clock::now();
       silent.wait_until_server_closes();
       const double usual = seconds_since(begin);
       const auto expect_as_usual = [&](const char* who) {
         const double time = seconds_since(begin);
         context.expect(time < usual * 3 / 2, std::string(who) + " had " + std::to_string(time) +
                                                  " s, the silent one " + std::to_string(usual) +
                                                  " s");
       };
       {
         Client half(context);
         half.send("GET /ec");
         half.wait_until_read();
         begin = Clock::now();
         Pace pace(milliseconds(900));
         pace.step(milliseconds(700));
         half.send("h");
         half.expect_response(408);
         expect_as_usual("half a request");
       }
       Client deaf = stuck_client(context, 300'000);
       begin = Clock::now();
       deaf.wait_until_server_closes();
       expect_as_usual("the one that did not read");
     })},
};
