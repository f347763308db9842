// Writing: the kernel takes what it has room for, and not every client reads.
#include <string>
#include <vector>

#include "tests/behaviour/catalogue.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/kit/client.hpp"

const std::vector<Check> writing_checks = {
    {.name{"C01", "an answer larger than the buffers arrives whole"},
     .models = servers,
     .hint{"what does send() return when it takes only a part, and who sends the rest?",
           lesson::writing},
     .scene{"With sockets that hold a few thousand bytes, I asked for 300,000 bytes, and then for "
            "a word.",
            "every byte right, in order, and then the word."},
     .run = Body([](Context& context) {
       context.start_small();
       Client client(context, {.small_buffer = true});
       client.get("/bytes/300000");
       client.expect_bytes(300'000);
       client.expect_echo("word");
     })},

    {.name{"C02", "the pattern of /bytes is right at every size"},
     .models = servers,
     .hint{"where does the last record end?", lesson::writing},
     .scene{"I asked for answers of many sizes in one piece.",
            "each with its own length and the right bytes."},
     .run = Body([](Context& context) {
       const std::size_t sizes[] = {0,    1,    15,   16,     17,     31,        4095,  4096,
                                    4097, 8191, 8192, 12'287, 65'536, 1'000'003, 10'000};
       Client client(context);
       std::string all;
       for (const std::size_t size : sizes) all += get_request("/bytes/" + std::to_string(size));
       client.send(all);
       for (const std::size_t size : sizes) client.expect_bytes(size);
       client.expect_echo("end");
     })},

    {.name{"C03", "many large answers asked for at once, in order"},
     .models = servers,
     .hint{"where do you go on when the socket takes bytes again?", lesson::writing},
     .scene{"With small buffers, I sent 20 requests for large and small answers in one piece.",
            "all answers, whole and in order."},
     .run = Body([](Context& context) {
       context.start_small();
       Client client(context, {.small_buffer = true});
       std::string all;
       for (int i = 0; i < 10; ++i)
         all += get_request("/bytes/" + std::to_string(20'000 + i)) +
                get_request("/echo/" + std::to_string(i));
       client.send(all);
       for (int i = 0; i < 10; ++i) {
         client.expect_bytes(static_cast<std::size_t>(20'000 + i));
         client.expect_response(200, std::to_string(i));
       }
     })},

    {.name{"C04", "a reader that stops holds up nobody, costs no memory, and misses no byte"},
     .models = concurrent,
     .needs = need_proc | need_sockets,
     .hint{"who waits in send(), and where do 50 million bytes wait meanwhile?", lesson::writing},
     .scene{"Client 1 asked for 50,000,000 bytes and stopped reading; then client 2 asked for a "
            "word; then client 1 read on.",
            "client 2 is answered, the server's own memory grows by 64 KiB at most, and client 1 "
            "gets every byte."},
     .run = Body([](Context& context) {
       stuck_client(context, 20'000'000, {}).reset();  // the code for this has then been loaded
       context.settle();
       const Memory before = context.memory();
       Client slow = stuck_client(context, 50'000'000, {});
       context.expect_growth_below(65, &Memory::anonymous_kib, before);
       Client quick(context);
       quick.expect_echo("word");
       slow.expect_bytes(50'000'000);
       slow.expect_echo("after");
     })},

    {.name{"C05", "while a client does not read, the server sleeps"},
     .models = servers,
     .needs = need_proc | need_sockets,
     .hint{"what do you do when send() says EAGAIN: ask again, or wait to be told?",
           lesson::writing},
     .scene{"With small buffers, a client asked for 300,000 bytes and did not read.",
            "the server sleeps until there is room again."},
     .run = Body([](Context& context) {
       context.start_small();
       Client slow = stuck_client(context, 300'000);
       context.expect_asleep("While the client does not read");
       slow.expect_bytes(300'000);
     })},

    {.name{"C06", "with small buffers, too, a slow reader holds up nobody"},
     .models = concurrent,
     .needs = need_sockets,
     .hint{"the kernel says that there is room for a byte. What does send() do with the other "
           "30,000?",
           lesson::writing},
     .scene{"With sockets that hold a few thousand bytes, client 1 asked for 300,000 and did not "
            "read; then client 2 asked for a word.",
            "client 2 is answered."},
     .run = Body([](Context& context) {
       context.start_small();
       const Client slow = stuck_client(context, 300'000);
       Client(context).expect_echo("word");
     })},

    {.name{"C08", "who asks and never reads is not read any further"},
     .models = servers,
     .needs = need_proc | need_sockets,
     .hint{"should you read a client's next request while its last answer is unsent?",
           lesson::writing},
     .scene{"I sent up to 10,000 requests for 4000 bytes each and read nothing until the server "
            "stopped reading; then I read 24 answers.",
            "its memory grows by 1 MB at most, and the answers are right."},
     .run = Body([](Context& context) {
       context.start_small();
       Client client(context, {.small_buffer = true});
       context.wait_until_quiet();
       const Memory before = context.memory();
       const std::string one =
           "GET /bytes/4000 HTTP/1.1\r\nHost: x\r\nX-Filler: " + std::string(3000, 'f') +
           "\r\n\r\n";
       const std::string all = repeated(one, 10'000);  // 30 MB, more than one connection can hold
       std::size_t taken = 0;
       for (int quiet = 0; quiet < 3 && taken < all.size(); ++quiet) {
         const std::size_t more = client.offer(std::string_view(all).substr(taken));
         if (more > 0) quiet = 0;
         taken += more;
         context.wait_until_quiet();
       }
       context.expect(taken < all.size(), "the server took all 10,000 requests");
       context.expect_growth_below(1024, &Memory::resident_kib, before);
       // Tiny buffers, full both ways: an answer may have to wait for TCP's persist timer.
       const std::size_t whole = taken / one.size();
       for (std::size_t i = 0; i < std::min<std::size_t>(whole, 24); ++i) client.expect_bytes(4000);
       client.reset();
     })},

    {.name{"C12", "a connection that closes after its answer sends all of it first"},
     .models = servers,
     .hint{"is the answer out when send() has returned for the first time?", lesson::writing},
     .scene{
         "With small buffers, I asked for 200,000 bytes with Connection: close, and in HTTP/1.0.",
         "every byte, then the end."},
     .run = Body([](Context& context) {
       context.start_small();
       for (const char* version : {"1.1", "1.0"}) {
         Client client(context, {.small_buffer = true});
         client.send(std::string("GET /bytes/200000 HTTP/") + version +
                     "\r\nHost: x\r\nConnection: close\r\n\r\n");
         client.expect_bytes(200'000);
         client.expect_end();
       }
     })},

    {.name{"C13", "half-close: who has closed its sending side still gets its answers"},
     .models = servers,
     .hint{"recv() said 0. Who has stopped what: may you still send?", lesson::leaving},
     .scene{"With small buffers, I sent two requests, the second for 40,000 bytes, and closed my "
            "sending side, all while the server was stopped.",
            "both answers, whole, then the end."},
     .run = Body([](Context& context) {
       context.start_small();
       Client client(context, {.small_buffer = true});
       context.server().stop_running();
       client.send(get_request("/echo/first") + get_request("/bytes/40000"));
       client.half_close();
       context.server().run_on();
       client.expect_response(200, "first");
       client.expect_bytes(40'000);
       client.expect_end();
     })},

    {.name{"C14", "half-close after a request and a half"},
     .hint{"what does the end of the stream say about the half?", lesson::leaving},
     .scene{"I sent one request and the half of another, and closed my sending side.",
            "the answer to the first; to the second at most a 400 or 408; then the end."},
     .run = Body([](Context& context, Client& client) {
       client.send(get_request("/echo/first") + "GET /echo/sec");
       client.half_close();
       client.expect_response(200, context.echo("first"));
       std::size_t rest = 0;
       if (client.something_arrives_within(std::chrono::seconds(8)))
         while (const std::size_t count = client.read_some(65'536)) rest += count;
       context.expect(rest < 1000, "the half was answered with " + std::to_string(rest) + " bytes");
       context.settle();
     })},

    {.name{"C15", "a small answer travels in one piece"},
     .needs = need_sockets,
     .disturbed_by = breaking_faults | only(Fault::short_write),
     .hint{"how many send() calls make one answer? What does Nagle's rule do to the second?",
           lesson::writing},
     .scene{"I sent 40 requests, each after the answer to the one before.",
            "about one segment with data for each answer."},
     .run = Body([](Context& context, Client& client) {
       const auto before = segments_received(client.socket());
       for (int i = 0; i < 40; ++i) client.expect_echo("x");
       const auto after = segments_received(client.socket());
       if (!before || !after) throw Skipped{"segments cannot be counted here"};
       context.expect(*after - *before <= 50,
                      std::to_string(*after - *before) + " segments came for 40 answers");
     })},

    {.name{"C18", "HEAD is answered like GET, without the body"},
     .hint{"what does the client read next if a body follows?", lesson::reading},
     .scene{"I sent HEAD and GET for the same paths in one piece.",
            "the same heads, a body after the second only."},
     .run = Body([](Context& context, Client& client) {
       std::vector<std::string> paths = {"/", "/echo/abc"};
       if (!context.is(slow_backend))
         paths.insert(paths.end(), {"/bytes/100000", "/nowhere", "/spin/0", "/bytes/x"});
       for (const std::string& path : paths) {
         client.send("HEAD " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" + get_request(path));
         const ReceivedResponse head = client.read_response(Method::head);
         const ReceivedResponse whole = client.read_response();
         context.expect(head.status == whole.status, "HEAD " + path + " has status " +
                                                         std::to_string(head.status) + ", GET " +
                                                         std::to_string(whole.status));
         context.expect(head.content_length == whole.content_length,
                        "HEAD " + path + " announces " + std::to_string(head.content_length) +
                            " bytes, GET " + std::to_string(whole.content_length));
       }
     })},

    {.name{"C19", "not a byte more than announced"},
     .hint{"does Content-Length count what is really sent?", lesson::writing},
     .scene{"I sent two requests, the second with Connection: close.",
            "two answers of the announced lengths, and then the end at once."},
     .run = Body([](Context&, Client& client) {
       client.send(get_request("/") + get_request("/", "Connection: close\r\n"));
       client.expect_response(200);
       client.expect_response(200);
       client.expect_end();
     })},

    {.name{"C20", "up to 1 GiB, which is made as it is sent"},
     .models = servers,
     .needs = need_proc,
     .hint{"where is the body before it is sent?", lesson::writing},
     .scene{"I asked for the head of 1 GiB, then for 1 GiB; read 3 MB of it and left.",
            "the right length and bytes, and no memory for the rest."},
     .run = Body([](Context& context, Client& client) {
       client.send("HEAD /bytes/1073741824 HTTP/1.1\r\nHost: x\r\n\r\n");
       const ReceivedResponse head = client.read_response(Method::head);
       context.expect(head.status == 200 && head.content_length == std::size_t{1} << 30,
                      "the length announced is " + std::to_string(head.content_length));
       client.get("/bytes/1073741824");
       context.expect(client.read_head().content_length == std::size_t{1} << 30,
                      "GET announces another length than HEAD");
       client.read_pattern(0, 3'000'000);
       context.expect(
           context.memory().anonymous_kib < 100'000 || context.sanitizers().any(),
           "the server holds " + std::to_string(context.memory().anonymous_kib) + " KiB");
       client.reset();
       context.settle();
     })},

    {.name{"C21", "every answer has Date, Content-Type and the right words about the connection"},
     .hint{"what must an HTTP/1.0 client be told if the connection is to go on?", lesson::reading},
     .scene{"I looked at the fields of several answers.",
            "Date as in 'Sun, 06 Nov 1994 08:49:37 GMT', Content-Type: text/plain; charset=utf-8."},
     .run = Body([](Context& context, Client& client) {
       const auto expect_fields = [&](const ReceivedResponse& response) {
         const auto date = response.field("date");
         context.expect(date && date->size() == 29 && date->substr(25) == " GMT" &&
                            (*date)[3] == ',' && (*date)[19] == ':',
                        "Date is " + (!date ? "missing" : "'" + *date + "'"));
         const auto type = response.field("content-type");
         context.expect(type && *type == "text/plain; charset=utf-8",
                        "Content-Type is " + (!type ? "missing" : "'" + *type + "'"));
       };
       client.get("/");
       const ReceivedResponse first = client.expect_response(200);
       expect_fields(first);
       context.expect(!first.closes(), "it says Connection: close and does not mean it");
       client.send("BAD\r\n\r\n");
       expect_fields(client.expect_response(400));
       client.close();
       Client old(context);
       old.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
       const ReceivedResponse kept = old.expect_response(200);
       const auto connection = kept.field("connection");
       context.expect(connection && *connection == "keep-alive",
                      "an HTTP/1.0 client asked for keep-alive and is not told that it got it");
       old.send("GET /echo/more HTTP/1.0\r\n\r\n");
       old.expect_last_response(200);
     })},

    {.name{"C22", "/spin answers when its time has been burnt"},
     .models = servers,
     .hint{"whose time does it burn?", lesson::one_at_a_time},
     .scene{"I asked for /spin/0 and /spin/30.",
            "'spun 0 ms' and 'spun 30 ms', the second not before 30 ms."},
     .run = Body([](Context& context, Client& client) {
       client.ask("/spin/0", 200, "spun 0 ms\n");
       const auto begin = std::chrono::steady_clock::now();
       client.ask("/spin/30", 200, "spun 30 ms\n");
       context.expect(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(29),
                      "it came too early to have burnt 30 ms");
     })},
};
