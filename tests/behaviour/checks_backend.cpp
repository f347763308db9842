// The backend: waiting for somebody else on behalf of a client. The backend is played by the check
// itself (Backend), so that nothing happens by chance; the last checks are for the pretend one.
#include <csignal>
#include <string>
#include <vector>

#include "tests/behaviour/catalogue.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/kit/client.hpp"

namespace {

using std::chrono::milliseconds;

// What a backend says before it closes its connection, or resets it.
struct Misdeed {
  std::string text;
  bool resets = false;
};

void expect_502(Context& context, const std::vector<Misdeed>& misdeeds) {
  Backend backend(context);
  Client client(context);
  for (const Misdeed& misdeed : misdeeds) {
    BackendCall call = backend.take_row_of(client);
    context.note("backend: says '" + readable(misdeed.text) + "' and " +
                 (misdeed.resets ? "resets" : "closes"));
    call.send(misdeed.text);
    if (misdeed.resets) call.reset();
    call.close();
    const ReceivedResponse response = client.expect_response(502);
    context.expect(!response.body.empty(), "the 502 has no word of explanation");
    client.expect_echo("after");
  }
}

}  // namespace

const std::vector<Check> backend_checks = {
    {.name{"G01", "/row brings what the backend answers"},
     .models = servers,
     .hint{"what is asked of the backend, and where does its answer go?", lesson::backend},
     .scene{
         "I asked for /row, /row?key=7 and HEAD /row.",
         "the backend is asked for the same target in HTTP/1.0, and its body comes back with 200."},
     .run = Body([](Context& context) {
       Backend backend(context);
       Client client(context);
       for (const std::string target : {"/row", "/row?key=7&x=%20"}) {
         client.get(target);
         BackendCall call = backend.take(context);
         context.expect(call.first_line() == "GET " + target + " HTTP/1.0",
                        "the backend was asked '" + readable(call.first_line()) + "'");
         call.answer("the row for " + target);
         client.expect_response(200, "the row for " + target);
       }
       client.send("HEAD /row HTTP/1.1\r\nHost: x\r\n\r\n");
       BackendCall call = backend.take(context);
       if (call.first_line().substr(0, 4) == "HEAD")
         call.send("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n");
       else
         call.answer("four");
       call.close();
       context.expect(client.read_response(Method::head).status == 200, "HEAD /row is not 200");
       client.expect_echo("after");
     })},

    {.name{"G02", "without a backend /row is 502 and says how to start one"},
     .models = servers,
     .hint{"what does the person need to know who reads this answer?", lesson::backend},
     .scene{"I asked for /row without -b.",
            "502 with a sentence that names slow_backend and -b; the connection goes on."},
     .run = Body([](Context& context, Client& client) {
       client.get("/row");
       const ReceivedResponse response = client.expect_response(502);
       context.expect(response.body.find("slow_backend") != std::string::npos &&
                          response.body.find("-b") != std::string::npos,
                      "it says '" + readable(response.body, 200) + "'");
       client.expect_echo("after");
     })},

    {.name{"G03", "a backend that is not there is 502"},
     .models = servers,
     .disturbed_by = breaking_faults | exhaustion_faults,
     .hint{"when does a non-blocking connect() tell that it was refused?", lesson::backend},
     .scene{"I asked for /row three times with -b naming a port on which nobody listens.",
            "502 each time; the connection goes on."},
     .run = Body([](Context& context) {
       context.start_with({"-b", std::to_string(Backend::dead_port())});
       Client client(context);
       for (int i = 0; i < 3; ++i) {
         client.ask("/row", 502);
       }
       client.expect_echo("after");
     })},

    {.name{"G04", "a silent backend is 504 after -t seconds"},
     .models = servers,
     .hint{"for how long does a conversation wait for somebody else?", lesson::backend},
     .scene{"With -t 0.5 I asked for /row; the backend took the question and was silent, once at "
            "all, once in the middle of its answer.",
            "504 each time, not before 0.5 s; the connection goes on; the backend's connection is "
            "closed."},
     .run = Body([](Context& context) {
       Backend backend(context, {"-t", "0.5"});
       for (const bool begins : {false, true}) {
         // Behind the 504 the client may be silent for 0.5 s, too.
         Pace pace(milliseconds(250));
         Client client(context);
         const auto begin = std::chrono::steady_clock::now();
         BackendCall call = backend.take_row_of(client);
         if (begins) call.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nand then");
         for (int i = 0; i < 100 && !client.something_arrives_within(milliseconds(20)); ++i)
           pace.step(milliseconds(0));
         client.expect_response(504);
         context.expect(std::chrono::steady_clock::now() - begin >= milliseconds(490),
                        "the 504 came too early");
         context.expect(call.is_left_within(context.timeout()),
                        "the connection to the backend is still open");
         client.get("/echo/after");
         pace.step(milliseconds(0));
         client.expect_response(200, "after");
       }
     })},

    {.name{"G05", "a backend that breaks off is 502"},
     .models = servers,
     .hint{"how do you tell a whole answer from the beginning of one?", lesson::backend},
     .scene{"The backend closed or reset, before its answer, in its head, in its body.",
            "502 each time; the connection goes on."},
     .run = Body([](Context& context) {
       const std::string half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
       expect_502(context, {{""},
                            {"", true},
                            {"HTTP/1.1 20"},
                            {"HTTP/1.1 200 OK\r\nContent-Len"},
                            {half},
                            {half, true}});
     })},

    {.name{"G06", "a backend that talks nonsense is 502"},
     .models = servers,
     .hint{"do you believe everything that a backend says?", lesson::backend},
     .scene{"The backend answered with noise, with errors, with impossible lengths.",
            "502 each time; the connection goes on."},
     .run = Body([](Context& context) {
       std::vector<Misdeed> all = {{"\x01\x02noise\r\n\r\nmore"}, {"SSH-2.0-OpenSSH_9.2\r\n\r\n"}};
       for (const std::string line :
            {"HTTP/1.1 500 Oh", "HTTP/1.0 404 Not Found", "HTTP/1.1 204 No Content",
             "HTTP/1.1 2x0 OK", "HTTP/1.1 abc OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK",
             "HTTP/1.1 -20 OK", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", " HTTP/1.1 200 OK",
             "HTTP/1.1", "", "HTTP/2.0 200 OK", "HTTP/1.x 200 OK", "http/1.1 200 OK"})
         all.push_back({line + "\r\nContent-Length: 0\r\n\r\n"});
       for (const std::string field :
            {"Content-Length: -5", "Content-Length: 6", "Content-Length: 5x",
             "Content-Length:", "Content-Length: 0x5", "Content-Length: 5, 5",
             "Content-Length: 5\r\nContent-Length: 4", "Content-Length: 18446744073709551615",
             "Content-Length: 18446744073709551617", "Content-Length: 99999999999999999999999999",
             "Transfer-Encoding: chunked", "transfer-encoding:"})
         all.push_back({"HTTP/1.1 200 OK\r\n" + field + "\r\n\r\nhello"});
       expect_502(context, all);
     })},

    {.name{"G07", "a backend that answers one byte at a time"},
     .models = servers,
     .needs = need_sockets,
     .hint{"does one recv() bring the backend's whole answer?", lesson::backend},
     .scene{"The backend answered one byte at a time, once with Content-Length, once ending with "
            "the connection.",
            "200 with the whole body both times."},
     .run = Body([](Context& context) {
       Backend backend(context);
       Client client(context);
       for (const std::string head : {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                                      "HTTP/1.0 200 OK\r\nServer: old\r\n\r\n"}) {
         BackendCall call = backend.take_row_of(client);
         call.trickle(head + "piecemeal");
         call.close();
         client.expect_response(200, "piecemeal");
       }
       client.expect_echo("after");
     })},

    {.name{"G08", "who waits for the backend holds up nobody"},
     .models = concurrent,
     .hint{"is there a call in which the only thread waits for the backend?", lesson::backend},
     .scene{"While client 1 waited for the backend, client 2 asked for a word.",
            "client 2 is answered meanwhile."},
     .run = Body([](Context& context) {
       Backend backend(context);
       Client waiting(context);
       BackendCall call = backend.take_row_of(waiting);
       Client quick(context);
       quick.expect_echo("word");
       context.expect(!waiting.something_arrives_within(milliseconds(0)),
                      "client 1 was answered without the backend");
       if (can_observe_processes()) context.expect_asleep("While one client waits for a row");
       call.answer("late");
       waiting.expect_response(200, "late");
     })},

    {.name{"G09", "fifty clients wait for the backend at once"},
     .models = concurrent,
     .hint{"who says that the backend answers in the order of the questions?", lesson::backend},
     .scene{"50 clients asked for a row of their own; the backend took all questions before it "
            "answered the last one first.",
            "each gets its own row."},
     .run = Body([](Context& context) {
       Backend backend(context);
       std::vector<Client> clients;
       std::vector<BackendCall> calls;
       for (int i = 0; i < 50; ++i) clients.emplace_back(context).get("/row?" + std::to_string(i));
       for (int i = 0; i < 50; ++i) calls.push_back(backend.take(context));
       while (!calls.empty()) {
         const std::string line = calls.back().first_line();
         const std::size_t key = line.find('?') + 1;
         calls.back().answer("row " + line.substr(key, line.find(' ', key) - key));
         calls.pop_back();
       }
       for (std::size_t i = 0; i < 50; ++i)
         clients[i].expect_response(200, "row " + std::to_string(i));
     })},

    {.name{"G10", "pipelined requests around a /row come back in order"},
     .models = servers,
     .hint{"may the answer behind the slow one leave first?", lesson::backend},
     .scene{"I sent /echo/a, /row, /echo/b, /row, /bytes/20000 in one piece.",
            "five answers in this order, however long the backend takes."},
     .run = Body([](Context& context) {
       Backend backend(context);
       Client client(context);
       client.send(get_request("/echo/a") + get_request("/row") + get_request("/echo/b") +
                   get_request("/row") + get_request("/bytes/20000"));
       BackendCall first = backend.take(context);
       context.wait_until_quiet();
       first.answer("row one");
       client.expect_response(200, "a");
       client.expect_response(200, "row one");
       BackendCall second = backend.take(context);
       client.expect_response(200, "b");
       second.answer("row two");
       client.expect_response(200, "row two");
       context.expect(client.read_head().content_length == std::size_t{20'000},
                      "the last answer has another length");
       client.read_pattern(0, 20'000);
     })},

    {.name{"G11", "a client that resets while it waits for the backend"},
     .models = servers,
     .needs = need_proc,
     .hint{"the client is gone: who notices, when, and what is still open?", lesson::backend},
     .scene{"Three clients asked for /row; the backend took the questions; the clients reset. Then "
            "the backend answered.",
            "the server sleeps meanwhile; afterwards as many descriptors and threads as before."},
     .run = Body([](Context& context) {
       Backend backend(context);
       context.settle();
       const Holdings before = context.holdings();
       const int count = context.is(one_at_a_time) ? 1 : 3;
       std::vector<BackendCall> calls;
       for (int i = 0; i < count; ++i) {
         Client client(context);
         calls.push_back(backend.take_row_of(client));
         if (i == 1) client.half_close();  // and then gone all the same
         client.reset();
       }
       context.expect_asleep("With the clients gone and the backend silent");
       for (BackendCall& call : calls) call.answer("too late");
       context.settle();
       context.expect_back_to(before);
     })},

    {.name{"G12", "a client that closes its sending side while it waits gets its row"},
     .models = servers,
     .hint{"is a client gone that has said all it had to say?", lesson::leaving},
     .scene{"I asked for /row and closed my sending side; then the backend answered.",
            "the row, and the end."},
     .run = Body([](Context& context) {
       Backend backend(context);
       Client client(context);
       client.get("/row");
       client.half_close();
       BackendCall call = backend.take(context);
       if (can_observe_processes()) context.expect_asleep("While the backend is silent");
       call.answer("a row");
       client.expect_response(200, "a row");
       client.expect_end();
     })},

    {.name{"G13", "clients and backends that break off in every order leave nothing behind"},
     .models = servers,
     .needs = need_proc,
     .hint{"both ends may have news in the same wake-up. Who ends the conversation, and how often?",
           lesson::backend},
     .scene{"While the server was stopped, clients that waited for a row reset or sent more, and "
            "the backend answered, reset or closed, in every combination.",
            "the server goes on, with as many descriptors as before."},
     .run = Body([](Context& context) {
       Backend backend(context);
       context.settle();
       const std::size_t descriptors = context.descriptors();
       for (int way = 0; way < 12; ++way) {
         Client client(context);
         BackendCall call = backend.take_row_of(client);
         context.server().stop_running();
         const auto backend_acts = [&] {
           if (way % 3 == 0) call.answer("row");
           if (way % 3 == 1) call.reset();
           call.close();
         };
         if (way >= 6) backend_acts();
         if (way / 3 % 2 == 0)
           client.reset();
         else
           client.get("/echo/more");
         if (way < 6) backend_acts();
         context.server().run_on();
         if (way / 3 % 2 == 1) {
           client.expect_response(way % 3 == 0 ? 200 : 502);
           client.expect_response(200, "more");
         }
       }
       context.settle();
       context.expect_back_to({descriptors});
     })},

    {.name{"G14", "no descriptor for the backend: 503, and the connection goes on"},
     .models = servers,
     .needs = need_proc,
     .hint{"socket() can fail, too. Whose problem is that?", lesson::descriptors},
     .scene{"I took away all further descriptors, asked for /row, gave them back, and asked again.",
            "503; then 200."},
     .run = Body([](Context& context) {
       Backend backend(context);
       Client client(context);
       client.expect_echo("known");
       context.wait_until_quiet();
       context.limit_descriptors(context.descriptors());
       client.ask("/row", 503);
       client.expect_echo("after");
       context.limit_descriptors(1000);
       backend.take_row_of(client).answer("a row");
       client.expect_response(200, "a row");
     })},

    {.name{"G15", "SIGTERM while a client waits for the backend: it gets its row"},
     .models = servers,
     .hint{"is a question that has been asked an answer in progress?", lesson::stopping},
     .scene{"While a client waited for the backend I sent SIGTERM; then the backend answered.",
            "the row, the end, and exit status 0."},
     .run = Body([](Context& context) {
       Backend backend(context);
       Client client(context);
       BackendCall call = backend.take_row_of(client);
       context.server().signal(SIGTERM);
       context.wait_until_quiet();
       call.answer("a row");
       client.expect_response(200, "a row");
       client.expect_end();
       const auto status = context.wait_for_end();
       if (!status) context.fail("the server still runs; " + context.describe_server());
     })},

    {.name{"G16", "a backend that never stops talking costs no memory"},
     .models = servers,
     .needs = need_proc,
     .hint{"how much of an answer are you ready to keep?", lesson::backend},
     .scene{"The backend sent up to 32 MB of body without end, then of head.",
            "502 (or the row, if the server passes it on as it comes), and no memory for it."},
     .run = Body([](Context& context) {
       Backend backend(context);
       context.settle();
       const Memory before = context.memory();
       for (const char* begin : {"HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\nX: "}) {
         Client client(context);
         BackendCall call = backend.take_row_of(client);
         call.send(begin);
         const std::string piece(65'536, 'x');
         for (int i = 0; i < 512; ++i)
           if (!call.send(piece, milliseconds(200))) break;
         context.expect_growth_below(2048, &Memory::resident_kib, before);
         call.close();
         client.reset();
       }
       context.settle();
     })},

    {.name{"G17", "a slow backend and an impatient clock: only the waiting client is told"},
     .models = concurrent,
     .hint{"two waits run out at different times. Which one is looked at?", lesson::time_limits},
     .scene{"With -t 0.6, five clients waited for a silent backend while a sixth asked for words.",
            "504 for the five; the sixth is served all the time."},
     .run = Body([](Context& context) {
       Backend backend(context, {"-t", "0.6"});
       std::vector<Client> waiting;
       std::vector<BackendCall> calls;
       for (int i = 0; i < 5; ++i)
         calls.push_back(backend.take_row_of(waiting.emplace_back(context)));
       Client busy(context);
       while (!waiting.front().something_arrives_within(milliseconds(20))) busy.expect_echo("x");
       for (Client& client : waiting) {
         client.expect_response(504);
         client.expect_echo("after");
       }
     })},

    {.name{"W01", "the pretend backend answers with a row for the target"},
     .models = slow_backend,
     .hint{"what does -d say?", lesson::backend},
     .scene{"I asked the backend with -d 20 for several targets, in HTTP/1.1 and 1.0.",
            "'row for TARGET after 20 ms', not before 20 ms."},
     .run = Body([](Context& context) {
       context.start_with({"-d", "20"});
       Client client(context);
       for (const std::string target : {"/", "/row?key=7", "/anything/at/all"}) {
         const auto begin = std::chrono::steady_clock::now();
         client.ask(target, 200, "row for " + target + " after 20 ms\n");
         context.expect(std::chrono::steady_clock::now() - begin >= milliseconds(20),
                        "it came too early");
       }
       client.send("GET /old HTTP/1.0\r\n\r\n");
       client.expect_response(200, "row for /old after 20 ms\n");
       client.expect_end();
     })},

    {.name{"W02", "the delays of many questions overlap"},
     .models = slow_backend,
     .disturbed_by = breaking_faults | exhaustion_faults,
     .hint{"what does the backend do while one question waits?", lesson::backend},
     .scene{"100 clients asked a backend with -d 50.",
            "all answers in far less than 100 times 50 ms."},
     .run = Body([](Context& context) {
       context.start_with({"-d", "50"});
       std::vector<Client> clients = connected_clients(context, 100);
       const auto begin = std::chrono::steady_clock::now();
       for (std::size_t i = 0; i < 100; ++i) clients[i].get("/" + std::to_string(i));
       for (std::size_t i = 0; i < 100; ++i)
         clients[i].expect_response(200, "row for /" + std::to_string(i) + " after 50 ms\n");
       const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
       context.expect(passed.count() < 5.0 / 3, "it took " + std::to_string(passed.count()) + " s");
     })},

    {.name{"W03", "clients that leave before their time is up"},
     .models = slow_backend,
     .needs = need_proc,
     .hint{"whom does the timer wake when its client has gone?", lesson::backend},
     .scene{"30 clients asked a backend with -d 100 and reset at once; then one asked and stayed.",
            "the one is answered, and no descriptor is left."},
     .run = Body([](Context& context) {
       context.start_with({"-d", "100"});
       Client first(context);
       first.ask("/", 200);
       context.wait_until_quiet();
       const std::size_t descriptors = context.descriptors();
       for (int i = 0; i < 30; ++i) {
         Client client(context);
         client.get("/x");
         client.wait_until_read();
         client.reset();
       }
       Client last(context);
       last.ask("/last", 200, "row for /last after 100 ms\n");
       last.close();
       context.expect_back_to({descriptors});
     })},

    {.name{"W04", "with many questions waiting it sleeps"},
     .models = slow_backend,
     .needs = need_proc | need_peace,
     .hint{"does it wait for the next time that is due, or look all the time?", lesson::backend},
     .scene{"50 clients asked a backend with -d 60000.", "it sleeps."},
     .run = Body([](Context& context) {
       context.start_with({"-d", "60000"});
       std::vector<Client> clients = asking_clients(context, 50, "/x");
       for (Client& client : clients) client.wait_until_read();
       context.expect_asleep("While 50 questions wait");
       for (Client& client : clients) client.reset();
       context.server().signal(SIGKILL);  // a minute is too long to see its end
       (void)context.wait_for_end();
       context.forget_server();
     })},
};
