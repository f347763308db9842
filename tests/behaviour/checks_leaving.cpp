// Leaving: connections go on, end, and break at any moment; nothing is left behind.
#include <algorithm>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "tests/behaviour/catalogue.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/kit/client.hpp"

namespace {

// One client that comes and leaves, in one of eight ways: without an answer or with one, by a reset
// or in order.
void come_and_go(Context& context, int way) {
  const std::string request = get_request("/echo/x");
  const std::string said[] = {
      "GET /echo/ha",   get_request("/bytes/3000000"), "BAD\r\n\r\n", request, "", "", request,
      request + "GET /"};
  Client client(context);
  if (!said[way].empty()) client.send(said[way]);
  if (way == 7) client.half_close();
  if (way >= 6) client.expect_response(200);
  if (way <= 4) client.reset();
}

// A server may log as well.
int lines_of_counters(const std::string& said) {
  int count = 0;
  for (std::size_t at = 0, end = 0; (end = said.find('\n', at)) != said.npos; at = end + 1) {
    const std::string line = said.substr(at, end - at);
    count += line.rfind("accepted ", 0) == 0 && line.find(" waits ") != line.npos ? 1 : 0;
  }
  return count;
}

}  // namespace

const std::vector<Check> leaving_checks = {
    {.name{"D01", "a connection goes on after an answer"},
     .hint{"does the connection end with the answer in HTTP/1.1?", lesson::reading},
     .scene{"I sent five requests over one connection, one after the other.", "five answers."},
     .run = Body([](Context& context, Client& client) {
       for (const std::string field :
            {"", "Connection: keep-alive\r\n", "Connection: Upgrade\r\n",
             "Connection: closed, not-close\r\n", "X-Connection: close\r\n"}) {
         client.send(get_request("/echo/a", field));
         client.expect_response(200, context.echo("a"));
       }
     })},

    {.name{"D02", "Connection: close ends it after the answer"},
     .hint{"who closes, and when?", lesson::reading},
     .scene{"I sent a request with Connection: close, with a second one behind it; and one with a "
            "list of words that holds close.",
            "one answer that says Connection: close, then the end."},
     .run = Body([](Context& context) {
       for (const char* value :
            {"close", "Close", "te, close", "close,x", "CLOSE ,x", " , close ,", "x,\tclose"}) {
         Client client(context);
         client.send(get_request("/echo/a", "Connection: " + std::string(value) + "\r\n") +
                     get_request("/echo/b"));
         client.expect_last_response(200);
       }
     })},

    {.name{"D03", "HTTP/1.0 ends after the answer, unless it asks for more"},
     .hint{"what is the default of HTTP/1.0?", lesson::reading},
     .scene{"I sent requests in HTTP/1.0, with keep-alive and without.",
            "with it the connection goes on, without it ends."},
     .run = Body([](Context& context) {
       const std::pair<std::string, bool> all[] = {
           {"", false},
           {"Connection: Keep-Alive\r\n", true},
           {"Connection: x, keep-alive\r\n", true},
           {"Connection: keep-alive, close\r\n", false},
           {"Connection: keep-alive\r\nConnection: close\r\n", false},
           {"Connection: x\r\nConnection: keep-alive\r\n", true}};
       for (const auto& [fields, goes_on] : all) {
         Client client(context);
         client.send("GET /echo/a HTTP/1.0\r\n" + fields + "\r\n");
         client.expect_response(200, context.echo("a"));
         goes_on ? client.expect_echo("b") : client.expect_end();
       }
     })},

    {.name{"D04", "clients that come and go in every way leave nothing behind"},
     .needs = need_proc,
     .hint{"on which of the ways out is a descriptor not closed, a thread not joined?",
           lesson::leaving},
     .scene{"400 clients came and left: at once, with a reset, in the middle of a request, of an "
            "answer...",
            "as many descriptors and threads as before."},
     .run = Body([](Context& context) {
       context.settle();
       const Holdings before = context.holdings();
       for (int i = 0; i < 400; ++i) come_and_go(context, i % 8);
       context.settle();
       context.expect_back_to(before);
     })},

    {.name{"D05", "memory returns after ten thousand clients"},
     .needs = need_proc | need_plain_build | need_peace,
     .hint{"what of a client is still there when it has gone?", lesson::leaving},
     .scene{
         "500 clients asked and reset, then 10,000 more.",
         "the 10,000 add less than 512 KiB to the server's memory, and no descriptor or thread."},
     .run = Body([](Context& context) {
       const auto churn = [&context](int count) {
         for (int i = 0; i < count; ++i) {
           Client client(context);
           client.get("/echo/x");
           if (i % 2 == 0) client.expect_response(200);
           client.reset();
         }
         context.settle();
       };
       churn(500);
       const Holdings before = context.holdings();
       const Memory memory_before = context.memory();
       churn(10'000);
       context.expect_back_to(before);
       context.expect_growth_below(512, &Memory::resident_kib, memory_before);
     })},

    {.name{"D06", "500 clients that connect and reset at once"},
     .hint{"what does accept() give for a client that has already left?", lesson::accepting},
     .scene{"I stopped the server, let 500 clients connect and reset, half of them after a "
            "request; then let it run on.",
            "the next client is served, and nothing is left of the 500."},
     .run = Body([](Context& context) {
       if (can_observe_processes()) context.settle();
       const std::size_t before = can_observe_processes() ? context.descriptors() : 0;
       context.server().stop_running();
       // The kernel may allow less than was asked for, and lets nobody wait beyond it.
       std::size_t crowd = 500;
       if (const auto backlog = backlog_of(context.server().port()); backlog)
         crowd = std::min(crowd, backlog->room - std::min<std::size_t>(backlog->room, 10));
       for (std::size_t i = 0; i < crowd; ++i) {
         Client client(context);
         if (i % 2 == 0) client.get("/bytes/100000");
         client.reset();
       }
       context.server().run_on();
       context.settle();
       if (before > 0) context.expect_back_to({before});
     })},

    {.name{"D07", "half-closed clients do not keep it busy"},
     .needs = need_proc,
     .hint{"a socket at its end is readable for ever. Do you go on watching it?", lesson::leaving},
     .scene{"Three clients closed their sending side, one of them in the middle of a request, and "
            "stayed.",
            "the server closes them or sleeps."},
     .run = Body([](Context& context, Client& client) {
       client.expect_echo("x");
       client.half_close();
       Client half(context);
       half.send("GET /ec");
       half.half_close();
       Client silent(context);
       silent.half_close();
       context.expect_asleep("With three half-closed clients");
       context.settle();
     })},

    {.name{"D08", "half-close while an answer is stuck does not keep it busy"},
     .models = servers,
     .needs = need_proc | need_sockets,
     .hint{"what do you watch while you cannot send: only for room?", lesson::leaving},
     .scene{"With small buffers, a client asked for 300,000 bytes, did not read, and closed its "
            "sending side.",
            "the server sleeps; then the client reads every byte."},
     .run = Body([](Context& context) {
       context.start_small();
       Client client = stuck_client(context, 300'000);
       client.half_close();
       context.expect_asleep("While that client does not read");
       client.expect_bytes(300'000);
       client.expect_end();
     })},

    {.name{"D09", "a reset while an answer is stuck ends that client only"},
     .models = servers,
     .needs = need_sockets,
     .hint{"what do you do with ECONNRESET and EPIPE from send()?", lesson::leaving},
     .scene{"With small buffers, five clients asked for 300,000 bytes, did not read, and reset; "
            "once more while the server was stopped.",
            "the server goes on, asleep, and serves the next client."},
     .run = Body([](Context& context) {
       context.start_small();
       for (const bool stopped : {false, true})
         for (int i = 0; i < 5; ++i) {
           Client client(context, {.small_buffer = true});
           client.send(get_request("/bytes/300000") + get_request("/echo/more"));
           client.wait_until_server_is_stuck();
           if (stopped) context.server().stop_running();
           client.reset();
           if (stopped) context.server().run_on();
         }
       context.settle();
       if (can_observe_processes()) context.expect_asleep("After the resets");
     })},

    {.name{"D10", "no death by SIGPIPE"},
     .hint{"what does the kernel send to a process that writes to a closed connection?",
           lesson::leaving},
     .scene{"While the server was stopped, clients sent requests, closed their sending side and "
            "reset.",
            "the first write to such a client fails; the server lives."},
     .run = Body([](Context& context) {
       for (const char* path : {"/echo/x", "/bytes/1000000"})
         for (int i = 0; i < 3; ++i) {
           Client client(context);
           context.server().stop_running();
           client.send(get_request(path) + get_request(path));
           client.half_close();
           client.reset();
           context.server().run_on();
           context.settle();
         }
     })},

    {.name{"D11", "resets in the middle of a large answer"},
     .models = servers,
     .hint{"which errors of send() concern one client only?", lesson::leaving},
     .scene{"Ten clients asked for 12 MB, read some of it, and reset.", "the server goes on."},
     .run = Body([](Context& context) {
       for (int i = 0; i < 10; ++i) {
         Client client(context);
         client.get("/bytes/12000000");
         client.read_head();
         client.read_pattern(0, static_cast<std::size_t>(1000 + 100'000 * i));
         client.reset();
       }
       context.settle();
     })},

    {.name{"D12", "resets and requests of other clients in one wake-up"},
     .models = every_concurrent,
     .hint{"an event of this round is for a client that has ended in this round: who gets it?",
           lesson::leaving},
     .scene{"I stopped the server; of 40 clients every second one reset, the others asked, and 20 "
            "new ones connected and asked; then I let it run on.",
            "all that are there get their own answers."},
     .run = Body([](Context& context) {
       for (int round = 0; round < 3; ++round) {
         std::vector<Client> clients = answered_clients(context, 40);
         context.server().stop_running();
         for (std::size_t i = 0; i < 40; ++i)
           if (i % 2 == 0)
             clients[i].reset();
           else
             clients[i].get("/echo/old" + std::to_string(i));
         for (std::size_t i = 40; i < 60; ++i)
           clients.emplace_back(context).get("/echo/new" + std::to_string(i));
         context.server().run_on();
         for (std::size_t i = 0; i < 60; ++i) {
           if (i < 40 && i % 2 == 0) continue;
           clients[i].expect_response(200,
                                      context.echo((i < 40 ? "old" : "new") + std::to_string(i)));
         }
       }
     })},

    {.name{"D13", "EINTR by a signal, twenty times"},
     .hint{"which calls come back with EINTR, and what is to be done then?", lesson::signals},
     .scene{"I sent SIGUSR1 twenty times, while the server waited for clients and while a client "
            "was in the middle of a request.",
            "a line of counters on stderr for signals, and service as usual."},
     .run = Body([](Context& context, Client& client) {
       client.send("GET /ec");
       client.wait_until_read();
       const auto lines = [&context] { return lines_of_counters(context.server().error_output()); };
       for (int i = 1; i <= 20; ++i) {
         context.server().signal(SIGUSR1);
         // Two that are pending at once are one.
         context.eventually([&] { return lines() >= i || context.server().status_if_ended(); },
                            [&] {
                              return "after " + std::to_string(i) + " signals there are " +
                                     std::to_string(lines()) + " lines of counters; " +
                                     context.describe_server();
                            });
       }
       client.send("ho/signals HTTP/1.1\r\nHost: x\r\n\r\n");
       client.expect_response(200, context.echo("signals"));
       const std::string said = context.server().error_output();
       for (const char* word : {"accepted 1", "open 1", "requests ", "wakeups ", "waits "})
         context.expect(said.find(word) != std::string::npos,
                        std::string("the counters lack '") + word + "'");
       context.expect(lines() == 20, "there should be 20 lines of counters, one for each signal");
     })},

    {.name{"D14", "EINTR by being stopped and continued"},
     .hint{"which waiting calls does the kernel not restart after SIGCONT (signal(7))?",
           lesson::signals},
     .scene{"I stopped and continued the server five times, with a client in the middle of a "
            "request, and with one in the middle of an answer.",
            "service as usual."},
     .run = Body([](Context& context, Client& client) {
       client.send("GET /ec");
       client.wait_until_read();
       for (int i = 0; i < 5; ++i) {
         context.server().stop_running();
         context.server().run_on();
         context.wait_until_quiet();
       }
       client.send("ho/stopped HTTP/1.1\r\nHost: x\r\n\r\n");
       client.expect_response(200, context.echo("stopped"));
       if (context.is(slow_backend)) return;
       client.get("/bytes/20000000");
       client.wait_until_server_is_stuck();
       for (int i = 0; i < 5; ++i) {
         context.server().stop_running();
         context.server().run_on();
         context.server().signal(SIGUSR1);
         context.wait_until_quiet();
       }
       client.expect_bytes(20'000'000);
     })},
};
