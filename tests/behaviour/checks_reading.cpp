// Reading: a stream has no messages. Requests come in pieces and in heaps.
#include <string>
#include <vector>

#include "tests/behaviour/catalogue.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/kit/client.hpp"

namespace {

// The kernel has taken too little of a burst to tell who goes first. Is that its way, or has the
// server made the buffer of an accepted socket so small?
[[noreturn]] void expect_small_buffers_everywhere(Context& context, const std::string& burst,
                                                  std::size_t taken) {
  const Descriptor listener = listen_on("127.0.0.1", 0);
  Client client(context, {.port = local_port(listener.fd())});
  if (client.offer(burst) == burst.size())
    context.fail(
        "its socket takes only " + std::to_string(taken) +
        " requests at once, and one that is left as it is takes 50. Do you set SO_RCVBUF?");
  throw Skipped{"the kernel takes too little at once to tell"};
}

// Client 1 sends `one` a hundred times, which takes time to answer; the others want a word each.
void expect_turns_for_all(Context& context, const std::string& one) {
  // One after the other: how many are accepted at once is not asked here.
  Client greedy(context);
  greedy.expect_echo("known");
  std::vector<Client> others;
  for (int i = 0; i < 3; ++i) others.emplace_back(context).expect_echo("known");
  context.server().stop_running();
  const std::size_t taken = greedy.offer(repeated(one, 100)) / one.size();
  if (taken < 50) expect_small_buffers_everywhere(context, repeated(one, 50), taken);
  for (Client& other : others) other.get("/echo/waiting");
  context.server().run_on();
  // What counts was there before a look that found one of the three without its answer:
  // later ones may have come while this tester stood in line for a core.
  std::size_t answered = 0;
  for (Client& other : others) {
    context.eventually(
        [&] {
          const std::size_t so_far = greedy.responses_so_far();
          if (other.something_arrives_within(std::chrono::milliseconds(0))) return true;
          answered = so_far;
          return false;
        },
        [&] { return "it is silent. " + other.describe(); });
    other.expect_response(200, "waiting");
  }
  context.expect(answered * 10 < taken * 6,
                 "when the last of the three was answered, client 1 had " +
                     std::to_string(answered) + " of its " + std::to_string(taken) + " answers");
  greedy.reset();
}

}  // namespace

const std::vector<Check> reading_checks = {
    {.name{"B01", "a request that comes one byte at a time"},
     .hint{"does one recv() return one request?", lesson::reading},
     .scene{"I sent a request one byte at a time, each after the server had read the one before.",
            "one answer, after the last byte."},
     .run = Body([](Context& context, Client& client) {
       for (const char& byte : get_request("/echo/slowly")) {
         client.send(std::string_view(&byte, 1));
         client.wait_until_read();
       }
       client.expect_response(200, context.echo("slowly"));
     })},

    {.name{"B02", "fifty pipelined requests come back in order"},
     .hint{"after the first request, what happens to the bytes behind it?", lesson::reading},
     .scene{"I sent 50 requests in one piece.", "50 answers, in the same order."},
     .run = Body([](Context& context, Client& client) {
       std::string all;
       for (int i = 0; i < 50; ++i) all += get_request("/echo/n" + std::to_string(i));
       client.send(all);
       for (int i = 0; i < 50; ++i)
         client.expect_response(200, context.echo("n" + std::to_string(i)));
     })},

    {.name{"B03", "one request and the beginning of the next in one piece"},
     .hint{"what do you keep of the buffer once a request is answered?", lesson::reading},
     .scene{"I sent one request and the beginning of a second, read the answer, and sent the rest.",
            "both are answered."},
     .run = Body([](Context& context, Client& client) {
       const std::string second = get_request("/echo/second");
       client.send(get_request("/echo/first") + second.substr(0, 9));
       client.expect_response(200, context.echo("first"));
       client.send(second.substr(9));
       client.expect_response(200, context.echo("second"));
     })},

    {.name{"B04", "a request split in two at every place"},
     .hint{"is the empty line found when it comes in two pieces? Is a name, a number?",
           lesson::reading},
     .scene{"I sent the same request again and again, in two pieces, split after each of its "
            "bytes, the second piece after the server had read the first.",
            "each is answered."},
     .run = Body([](Context& context, Client& client) {
       const std::string request =
           "GET /echo/split HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nAccept: */*\r\n\r\n";
       for (std::size_t cut = 1; cut < request.size(); ++cut) {
         client.send(request.substr(0, cut));
         client.wait_until_read();
         client.send(request.substr(cut));
         client.expect_response(200, context.echo("split"));
       }
     })},

    {.name{"B05", "a pipelined request split at every place"},
     .hint{"where does the search for the end of the second request begin?", lesson::reading},
     .scene{"I sent one whole request with the first bytes of a second, for every number of bytes; "
            "then the rest.",
            "each is answered, in order."},
     .run = Body([](Context& context, Client& client) {
       const std::string second = get_request("/echo/b");
       for (std::size_t cut = 1; cut < second.size(); ++cut) {
         client.send(get_request("/echo/a") + second.substr(0, cut));
         client.expect_response(200, context.echo("a"));
         client.wait_until_read();
         client.send(second.substr(cut));
         client.expect_response(200, context.echo("b"));
       }
     })},

    {.name{"B09", "three thousand requests that arrive while it sleeps"},
     .hint{"when a wake-up brings more than one read takes, who reads the rest?",
           lesson::being_told},
     .scene{"I stopped the server, sent 3000 small requests, let it run on, and sent nothing "
            "afterwards.",
            "3000 answers."},
     .run = Body([](Context& context, Client& client) {
       context.server().stop_running();
       const std::string all = repeated(get_request("/echo/x"), 3000);
       const std::size_t taken = client.offer(all);
       context.server().run_on();
       client.send(std::string_view(all).substr(taken));  // usually nothing
       for (int i = 0; i < 3000; ++i) client.expect_response(200, context.echo("x"));
     })},

    {.name{"B10", "half a request holds up nobody else"},
     .models = every_concurrent,
     .hint{"do you read until the request is whole, or until there is nothing more to read?",
           lesson::one_at_a_time},
     .scene{"Client 1 sent half a request; client 2 a whole one; then client 1 the rest of its.",
            "client 2 is answered meanwhile, and client 1 with its own text."},
     .run = Body([](Context& context) {
       Client half(context);
       half.send("GET /echo/first-cl");
       half.wait_until_read();
       Client whole(context);
       whole.expect_echo("second-client");
       half.send("ient HTTP/1.1\r\nHost: x\r\n\r\n");
       half.expect_response(200, context.echo("first-client"));
     })},

    {.name{"B12", "field names and the word close in any case"},
     .hint{"does the case of a field name matter in HTTP?", lesson::reading},
     .scene{"I sent 'hOST: x' and 'cONNECTION: Close'.",
            "an answer, and the end of the connection."},
     .run = Body([](Context& context, Client& client) {
       client.send("GET /echo/a HTTP/1.1\r\nhOST:x\r\ncONNECTION:\t Close \r\n\r\n");
       client.expect_response(200, context.echo("a"));
       client.expect_end();
     })},

    {.name{"B14", "noise does not bring it down"},
     .hint{"which byte of the noise does your parser take for granted?", lesson::refusing},
     .scene{"I sent 40 pieces of noise, always the same ones, each over a new connection.",
            "the server answers or closes as it likes, and then serves the next."},
     .run = Body([](Context& context) {
       unsigned seed = 20'240'501;
       const auto next = [&seed] { return seed = seed * 1'664'525u + 1'013'904'223u; };
       for (int round = 0; round < 40; ++round) {
         std::string noise = round % 2 == 0 ? "GET /" : "";
         for (unsigned length = next() >> 22; length > 0; --length)
           noise += static_cast<char>(next() >> 24);
         Client client(context);
         (void)client.try_to_send(noise + "\r\n\r\n");
         client.half_close();
         while (client.read_some(65'536) > 0) {
         }
       }
       context.settle();
     })},

    {.name{"B16", "a head of exactly 8192 bytes is taken, one more is 431"},
     .hint{"what does your limit count, and is the limit itself allowed?", lesson::refusing},
     .scene{"I sent a request whose head has 8192 bytes, then one with 8193, in one piece and in "
            "small pieces.",
            "200 for the first; 431 and the end for the second."},
     .run = Body([](Context& context) {
       const std::string begin = "GET /echo/long HTTP/1.1\r\nHost: x\r\nX-Filler: ";
       const auto request = [&begin](std::size_t size) {
         return begin + std::string(size - begin.size() - 4, 'f') + "\r\n\r\n";
       };
       for (const std::size_t piece : {std::size_t{10'000}, std::size_t{1000}}) {
         Client client(context);
         const auto send_in_pieces = [&](const std::string& bytes) {
           for (std::size_t at = 0; at < bytes.size(); at += piece) {
             client.send(bytes.substr(at, piece));
             client.wait_until_read();
           }
         };
         send_in_pieces(request(8192));
         client.expect_response(200, context.echo("long"));
         send_in_pieces(request(8193));
         client.expect_last_response(431);
       }
     })},

    {.name{"B17", "a target of 4096 bytes is taken, one more is 414"},
     .hint{"which of the two limits is met first, and which answer says so?", lesson::refusing},
     .scene{"I asked for /echo/ with a target of 4096 bytes, then of 4097.",
            "200 with the text; then 414 and the end."},
     .run = Body([](Context& context, Client& client) {
       const std::string text(4096 - 6, 't');
       client.get("/echo/" + text);
       if (context.is(slow_backend))
         client.expect_response(200);  // its answer repeats the target, and has limits of its own
       else
         client.expect_response(200, text);
       client.get("/echo/" + text + "t");
       client.expect_last_response(414);
     })},

    {.name{"B20", "a head that never ends costs no memory"},
     .needs = need_proc | need_plain_build,
     .hint{"what is the most you keep of a request that is not whole?", lesson::refusing},
     .scene{
         "I sent up to 48 MB of fields without an empty line, and the same as one endless target.",
         "431 and 414 and an end, and less than 1 MB more memory."},
     .run = Body([](Context& context) {
       context.settle();
       const Memory before = context.memory();
       const std::string filler = "X-Filler: " + std::string(1000, 'f') + "\r\n";
       const std::string starts[] = {"GET / HTTP/1.1\r\nHost: x\r\n", "GET /"};
       for (const std::string& start : starts) {
         const bool target = start == starts[1];
         const std::string piece = repeated(target ? std::string(1024, 't') : filler, 64);
         Client client(context);
         bool taken = client.try_to_send(start);
         for (int i = 0; i < 750 && taken; ++i) taken = client.try_to_send(piece);
         context.expect_growth_below(1024, &Memory::resident_kib, before);
         context.expect(!taken, "the server took all 48 MB and did not close");
       }
       context.settle();
     })},

    {.name{"B21", "empty lines before a request are skipped"},
     .hint{"what does RFC 9112, 2.2, say about an empty line before a request?", lesson::reading},
     .scene{"I sent two empty lines before a request, one between two pipelined ones, and one "
            "split in the middle.",
            "every request is answered."},
     .run = Body([](Context& context, Client& client) {
       client.send("\r\n\r\n" + get_request("/echo/a") + "\r\n" + get_request("/echo/b"));
       client.expect_response(200, context.echo("a"));
       client.expect_response(200, context.echo("b"));
       client.send("\r");
       client.wait_until_read();
       client.send("\n" + get_request("/echo/c"));
       client.expect_response(200, context.echo("c"));
     })},

    {.name{"B22", "a target that names the server, too"},
     .models = servers,
     .hint{"which forms of a target does RFC 9112, 3.2, know?", lesson::reading},
     .scene{"I asked for 'http://x/echo/absolute'.", "the same answer as without it."},
     .run = Body([](Context&, Client& client) {
       client.ask("http://x/echo/absolute", 200, "absolute");
       client.ask("http://x:80/bytes/5", 200, "00000");
     })},

    {.name{"B23", "an echo gives back the text as it stands in the target"},
     .models = servers,
     .hint{"who asked you to decode it?", lesson::reading},
     .scene{"I asked /echo for texts with percent signs, slashes, a query, nothing.",
            "each comes back byte for byte."},
     .run = Body([](Context&, Client& client) {
       for (const std::string text : {"a%41%00b", "a/b//c", "x?y=z&/", "", "~!$&'()*+,;=:@-._"})
         client.expect_echo(text);
     })},

    {.name{"B24", "an unknown path is 404, and the connection goes on"},
     .models = servers,
     .hint{"is the client wrong about HTTP, or only about the name?", lesson::refusing},
     .scene{"I asked for paths that are not there, and then for one that is.",
            "404 each time, then 200, over one connection."},
     .run = Body([](Context&, Client& client) {
       for (const char* path : {"/nowhere", "/echo", "/bytes", "/spinning/1", "/rows", "//",
                                "/../../etc/passwd", "/%2e%2e/etc/passwd"})
         client.ask(path, 404);
       client.expect_echo("here");
     })},

    {.name{"B25", "a number that is none, or too large, is 400"},
     .models = servers,
     .hint{"what does your conversion do with a sign, a blank, an overflow?", lesson::refusing},
     .scene{"I asked /bytes and /spin for numbers that are none or too large.",
            "400 each time; the connection goes on."},
     .run = Body([](Context& context, Client& client) {
       for (const char* path :
            {"/bytes/", "/bytes/-1", "/bytes/+1", "/bytes/1e3", "/bytes/0x10", "/bytes/10/",
             "/bytes/1073741825", "/bytes/4294967296", "/bytes/4294967297",
             "/bytes/18446744073709551617", "/bytes/99999999999999999999999", "/bytes/1.5",
             "/bytes/%31", "/spin/", "/spin/-1", "/spin/10001", "/spin/4294967296", "/spin/1x",
             "/spin/99999999999999999999"}) {
         client.get(path);
         context.note(std::string("asked for ") + path);
         const ReceivedResponse response = client.read_response();
         context.expect(response.status == 400, std::string("to ") + path + " the answer was " +
                                                    std::to_string(response.status));
         context.expect(!response.closes(), std::string("after ") + path + " it closes");
       }
       client.ask("/bytes/3", 200, "000");
     })},

    {.name{"B26", "a client that never stops sending does not starve the others"},
     .models = concurrent,
     .hint{"for how long do you go on serving one client while others wait?", lesson::being_told},
     .scene{"I stopped the server; client 1 sent 100 requests that each burn 5 ms, three others "
            "one small request each; then I let it run on.",
            "the three are answered while most of client 1's requests still wait."},
     .run = Body([](Context& context) {
       expect_turns_for_all(context, "GET /spin/5 HTTP/1.1\r\nHost: x\r\nX-Filler: " +
                                         std::string(3500, 'f') + "\r\n\r\n");
     })},

    {.name{"B27", "one packet full of requests buys no more than one turn"},
     .models = concurrent,
     .hint{"how many of the requests that one recv() has brought do you answer before the others "
           "have their turn?",
           lesson::being_told},
     .scene{"I stopped the server; client 1 sent 100 requests that each burn 5 ms, all in one "
            "packet, three others one small request each; then I let it run on.",
            "the three are answered while most of client 1's requests still wait."},
     .run = Body([](Context& context) { expect_turns_for_all(context, get_request("/spin/5")); })},
};
