// Deadlines: a time for silence, for a request, for an answer.
#include <algorithm>
#include <array>
#include <thread>

#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/client.hpp"

namespace {

using std::chrono::milliseconds;

constexpr const char* for_ever = "50";

// Two clients, one of them after an answer, and since then the time of a third one's request has
// run out.
std::array<Client, 2> silent_for_longer_than_a_request(Context& context) {
  std::array<Client, 2> silent{Client(context), Client(context)};
  silent[1].expect_echo("first");
  Client half(context);
  half.send("GET /ec");
  half.expect_response(408);
  half.expect_end();
  return silent;
}

}  // namespace

const std::vector<Check> deadline_checks = {
    {.name{"U01", "a request has the time of a request, not that of silence"},
     .hint{"what is a client doing that has sent half a request: is it silent?",
           lesson::time_limits},
     .scene{"With -t 0.4 -r 50, a client sent half a request; when a silent client that came after "
            "it had been closed, it sent the rest.",
            "the silent one is closed, the other is answered."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.4", "-r", for_ever});
       Client slow(context);
       slow.send("GET /ec");
       slow.wait_until_read();
       Client silent(context);
       silent.expect_end();
       slow.send("ho/slow HTTP/1.1\r\nHost: x\r\n\r\n");
       slow.expect_response(200, "slow");
     })},

    {.name{"U02", "silence has the time of silence, not that of a request"},
     .hint{"when does the time of a request begin, if nobody has begun one?", lesson::time_limits},
     .scene{"With -r 0.4 -t 50, two clients were silent, one of them after an answer; a third sent "
            "half a request. When the third had got its 408, the others asked.",
            "408 for the third, answers for the others."},
     .run = Body([](Context& context) {
       context.start_with({"-r", "0.4", "-t", for_ever});
       for (Client& client : silent_for_longer_than_a_request(context)) {
         client.expect_echo("late");
       }
     })},

    {.name{"U03", "half a request that comes behind a whole one has its time as well"},
     .hint{"after an answer, is a client always silent? What may lie in your buffer already?",
           lesson::time_limits},
     .scene{"With -r 0.4 -t 50, a client sent a request and the half of another in one piece.",
            "the answer to the first, then 408 and the end."},
     .run = Body([](Context& context) {
       context.start_with({"-r", "0.4", "-t", for_ever});
       Client client(context);
       client.send(get_request("/echo/whole") + "GET /hal");
       client.expect_response(200, "whole");
       client.expect_response(408);
       client.expect_end();
     })},

    {.name{"U04", "every request has its own time"},
     .hint{"which event begins a request's time, and which one ends it?", lesson::time_limits},
     .scene{"With -r 1 -t 50, a client sent five requests, each in two pieces 0.4 s apart, over "
            "one connection.",
            "five answers."},
     .run = Body([](Context& context) {
       context.start_with({"-r", "1", "-t", for_ever});
       Client client(context);
       for (int i = 0; i < 5; ++i) {
         client.send("GET /echo/");
         Pace(milliseconds(700)).step(milliseconds(400));
         client.send(std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n");
         client.expect_response(200, std::to_string(i));
       }
     })},

    {.name{"U05", "who waits for its own reading is neither silent nor inside a request"},
     .needs = need_sockets,
     .hint{"which of the three times runs while an answer waits to be taken?", lesson::time_limits},
     .scene{"With -t 0.4 -r 0.4 -o 50 and small buffers, a client asked for 100,000 bytes, half a "
            "request behind, and did not read until a silent client that came later had been "
            "closed; then it read and sent the rest.",
            "every byte, and the second answer."},
     .run = Body([](Context& context) {
       context.start_small({"-t", "0.4", "-r", "0.4", "-o", for_ever});
       Client slow(context, {.small_buffer = true});
       slow.send(get_request("/bytes/100000") + "GET /echo/sec");
       slow.wait_until_server_is_stuck();
       Client silent(context);
       silent.expect_end();
       slow.read_head();
       slow.read_pattern(0, 90'000);
       Pace pace(milliseconds(300));
       slow.read_pattern(90'000, 10'000);  // with the last of them the request's time begins
       slow.send("ond HTTP/1.1\r\nHost: x\r\n\r\n");
       pace.step(milliseconds(0));
       slow.expect_response(200, "second");
     })},

    {.name{"U06", "who takes a little now and then is closed"},
     .needs = need_sockets,
     .hint{"how much must a client take for its time to start anew?", lesson::time_limits},
     .scene{"With -o 0.5 -t 50 and small buffers, a client took its answer of 2,000,000 bytes at "
            "500 bytes every 50 ms: a third of the 16 KiB in 0.5 s.",
            "it is closed."},
     .run = Body([](Context& context) {
       context.start_small({"-o", "0.5", "-t", for_ever});
       Client slow = stuck_client(context, 2'000'000);
       const auto deadline = std::chrono::steady_clock::now() + context.timeout();
       while (!slow.is_closed_by_server()) {
         context.expect(std::chrono::steady_clock::now() < deadline,
                        "it is still connected. " + slow.describe());
         if (slow.read_some(500) == 0) break;
         std::this_thread::sleep_for(milliseconds(50));
       }
     })},

    {.name{"U07", "who takes enough is not closed, however long it all takes"},
     .needs = need_sockets,
     .hint{"is it the time for the whole answer, or for its next 16 KiB?", lesson::time_limits},
     .scene{"With -o 2 -t 50 and small buffers, a client took 250,000 bytes, 4000 every 40 ms: "
            "twelve times 16 KiB in 2 s.",
            "every byte, in more than two seconds."},
     .run = Body([](Context& context) {
       context.start_small({"-o", "2", "-t", for_ever});
       Client client(context, {.small_buffer = true});
       client.get("/bytes/250000");
       client.read_head();
       Pace pace(milliseconds(600));
       for (std::size_t at = 0; at < 250'000; at += 4000) {
         client.read_pattern(at, std::min<std::size_t>(4000, 250'000 - at));
         pace.step(milliseconds(40));
       }
     })},

    {.name{"U08", "three times, and each client has its own"},
     .needs = need_sockets,
     .hint{"one select waits for all of them: until which deadline?", lesson::time_limits},
     .scene{
         "With -r 0.5 -t 1 -o 1.5 and small buffers, one client did not read, then one was silent, "
         "then one was inside a request; a fourth went on asking.",
         "they end in the opposite order, 0.5 s apart, and the fourth is answered all the time."},
     .run = Body([](Context& context) {
       context.start_small({"-r", "0.5", "-t", "1", "-o", "1.5"});
       Client busy(context);
       Client stuck = stuck_client(context, 300'000);
       Pace pace(milliseconds(300));
       Client silent(context);
       Client half(context);
       half.send("GET /ha");
       pace.step(milliseconds(0));
       // A 408 and an end can be read. Of the one that does not read only the kernel knows.
       const std::array<Client*, 3> in_order{&half, &silent, &stuck};
       const auto has_ended = [&](std::size_t i) {
         return i == 2 ? stuck.is_closed_by_server()
                       : in_order[i]->something_arrives_within(milliseconds(0));
       };
       const auto deadline = std::chrono::steady_clock::now() + 2 * context.timeout();
       std::size_t ended = 0;
       while (ended < in_order.size()) {
         busy.expect_echo("x");
         for (std::size_t i = in_order.size(); i-- > ended;) {
           if (!has_ended(i)) continue;
           // A server that is late closes both at once. They may be seen in any order then.
           if (i > ended) std::this_thread::sleep_for(milliseconds(300));
           context.expect(i == ended || has_ended(i - 1),
                          "client " + std::to_string(in_order[i]->number()) +
                              " was closed before client " +
                              std::to_string(in_order[i - 1]->number()));
           ended = i + 1;
           break;
         }
         context.expect(std::chrono::steady_clock::now() < deadline,
                        "after that time, " + std::to_string(in_order.size() - ended) +
                            " of the three are still connected");
         std::this_thread::sleep_for(milliseconds(20));
       }
     })},

    {.name{"U09", "a request's time begins with its first byte, however long the silence was"},
     .hint{"what has the time that a client was silent to do with its request's?",
           lesson::time_limits},
     .scene{"With -r 0.5 -t 50, two clients were silent, one of them after an answer; a third sent "
            "half a request. When it had got its 408, the others began a request, and ended it a "
            "moment later.",
            "408 for the third, answers for the others."},
     .run = Body([](Context& context) {
       context.start_with({"-r", "0.5", "-t", for_ever});
       auto silent = silent_for_longer_than_a_request(context);
       Pace pace(milliseconds(250));
       for (Client& client : silent) client.send("GET /ec");
       for (Client& client : silent) client.wait_until_read();
       context.wait_until_quiet();
       for (Client& client : silent) client.send("ho/late HTTP/1.1\r\nHost: x\r\n\r\n");
       pace.step(milliseconds(0));
       for (Client& client : silent) client.expect_response(200, "late");
     })},

    {.name{"U10", "who is refused and does not leave is let go, whatever it still sends"},
     .needs = need_sockets,
     .hint{"which time runs while a client is leaving, and what may renew it?",
           lesson::time_limits},
     .scene{"With -t 0.4, two clients sent what is no request, and read their 400. Neither closed; "
            "one went on sending a byte every 50 ms.",
            "both are closed."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.4"});
       std::array<Client, 2> refused{Client(context), Client(context)};
       for (Client& client : refused) {
         client.send("no request\r\n\r\n");
         client.expect_response(400);
       }
       context.eventually(
           [&] {
             (void)refused[0].try_to_send("x");
             std::this_thread::sleep_for(milliseconds(50));
             return refused[0].is_closed_by_server() && refused[1].is_closed_by_server();
           },
           [&] {
             return std::string("the one that ") +
                    (refused[0].is_closed_by_server() ? "is silent" : "goes on sending") +
                    " is still connected";
           });
     })},

    {.name{"U11", "what a last send still finds room for, nobody has taken"},
     .needs = need_sockets,
     .hint{"send has taken a few bytes, long after the client's time was over. Who has them?",
           lesson::time_limits},
     .scene{"With -o 0.6 -t 50 and small buffers, an answer was stuck. Three times I stopped the "
            "server, the client took 1500 bytes and no more, and after a second I let the server "
            "run on.",
            "it sees that there is room, and that the time is over, and closes."},
     .run = Body([](Context& context) {
       context.start_small({"-o", "0.6", "-t", for_ever});
       Client slow = stuck_client(context, 2'000'000);
       for (int round = 0; round < 3 && !slow.is_closed_by_server(); ++round) {
         context.server().stop_running();
         (void)slow.read_some(1500);
         std::this_thread::sleep_for(milliseconds(1000));
         context.server().run_on();
         context.wait_until_quiet();
       }
       context.expect(slow.is_closed_by_server(), "it is still connected. " + slow.describe());
     })},
};
