// Refusing: what is not HTTP, or not served here, gets a clear answer and an end.
#include <string>
#include <vector>

#include "tests/behaviour/catalogue.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/kit/client.hpp"

namespace {

using Texts = std::vector<std::string>;

// Where each of the texts is put in: it stands in the place of the %.
const std::string head_form = "%\r\n\r\n";
const std::string line_form = "%\r\nHost: x\r\n\r\n";
const std::string method_form = "% / HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string target_form = "GET % HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string version_form = "GET / %\r\nHost: x\r\n\r\n";
const std::string field_form = "GET /echo/x HTTP/1.1\r\nHost: x\r\n%\r\n\r\n";
const std::string host_form = "GET / HTTP/1.1\r\nHost: %\r\n\r\n";

std::string filled(std::string form, const std::string& text) {
  return form.replace(form.find('%'), 1, text);
}

// Sends each over a new connection, with a good request behind it that must never be answered.
void expect_refusals(Context& context, int status, const std::string& form, const Texts& texts) {
  for (const std::string& text : texts) {
    Client client(context);
    (void)client.try_to_send(filled(form, text) + get_request("/echo/smuggled"));
    const ReceivedResponse response = client.expect_last_response(status);
    context.expect(!response.body.empty(), "the answer does not say in words what is wrong");
  }
  context.settle();
}

void expect_served(Context& context, const std::string& form, const Texts& texts) {
  for (const std::string& text : texts) {
    Client client(context);
    client.send(filled(form, text));
    client.expect_response(200);
  }
}

}  // namespace

const std::vector<Check> refusing_checks = {
    {.name{"B30", "a request without Host, or with two, is 400"},
     .hint{"which field must a request of HTTP/1.1 have exactly once?", lesson::refusing},
     .scene{"I sent requests without Host, and with two.",
            "400 and the end; in HTTP/1.0 none is fine, and two are not."},
     .run = Body([](Context& context) {
       expect_refusals(context, 400, head_form,
                       {"GET / HTTP/1.1", "GET / HTTP/1.1\r\nAccept: */*",
                        "GET / HTTP/1.1\r\nHost: x\r\nHost: x",
                        "GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nhost: y",
                        "GET / HTTP/1.0\r\nHost: x\r\nHost: y", "GET http://x/ HTTP/1.1"});
       expect_served(context, head_form, {"GET / HTTP/1.0", "GET / HTTP/1.0\r\nHost: x"});
     })},

    {.name{"B60", "a Host that is no host is 400, and so is one in an absolute target"},
     .hint{"what may stand before the colon of a host and its port, and what behind it?",
           lesson::refusing},
     .scene{"I named hosts that are none, in Host and in 'GET http://HOST/'.",
            "400 and the end; addresses, ports and an empty Host are fine."},
     .run = Body([](Context& context) {
       const Texts none = {"a:b:c", "a:80:80", "a:xx",      ":80", "u@h", "[]",  "[",
                           "[::1",  "[::1]x",  "[1::2::3]", "%zz", "%4",  "h<>", "a b"};
       expect_refusals(context, 400, host_form, none);
       expect_refusals(context, 400, "GET http://%/ HTTP/1.1\r\nHost: x\r\n\r\n", none);
       expect_served(context, host_form, {"a.b-c:80", "a:", "127.0.0.1", "[::1]:8080", "%41", ""});
     })},

    {.name{"B61", "what is wrong with a head comes before what its method is"},
     .hint{"is a method not served of a request that is none?", lesson::refusing},
     .scene{"I sent other methods than GET and HEAD in heads that have faults.",
            "400 for the fault, not 405 or 501 for the method."},
     .run = Body([](Context& context) {
       for (const std::string method : {"POST", "OPTIONS", "FOO", "get"}) {
         expect_refusals(
             context, 400, method + " /x HTTP/1.1\r\n%\r\n",
             {"", "Host: x\r\nHost: x\r\n", "Host: x:y\r\n", "Host : x\r\n",
              "Host: x\r\nA: \x01\r\n", "Host: x\r\n b\r\n", "Host: x\r\nContent-Length: x\r\n"});
         // One of which we do not know what its fields mean is judged before them.
         expect_refusals(context, 505, method + " /x HTTP/2.0\r\n%\r\n", {"Host : x\r\n"});
       }
     })},

    {.name{"B31", "a version that is none is 400, one not served 505"},
     .hint{"which part of the version may grow without breaking you?", lesson::refusing},
     .scene{"I sent requests in HTTP/2.0 and in versions that are none.",
            "505 for the first; 400 for the others; HTTP/1.7 is served as 1.1."},
     .run = Body([](Context& context) {
       expect_refusals(context, 505, version_form,
                       {"HTTP/2.0", "HTTP/0.9", "HTTP/3.1", "HTTP/9.9"});
       expect_refusals(
           context, 400, version_form,
           {"", "HTTP/1", "HTTP/1.", "HTTP/11", "HTTP/1.1 ", "http/1.1", "HTTP/1.10", "HTTP/1,1",
            "HTTP/a.1", "HTTP/1.a", "HTTP/a.b", "HTTPS/1.1", "HTTP/ 1.1", "HTTP/-1.1"});
       expect_refusals(context, 400, line_form,
                       {"GET", "GET ", "GET /", "GET / ", "GET / x HTTP/1.1", "GET / HTTP/1.1 x",
                        "GET\t/\tHTTP/1.1", "GET / HTTP/1.1\t", "GET/ HTTP/1.1"});
       expect_served(context, version_form, {"HTTP/1.2", "HTTP/1.7"});
     })},

    {.name{"B32", "a method it does not serve is 405, one it does not know 501"},
     .hint{"what does Allow tell the client?", lesson::refusing},
     .scene{"I sent requests with other methods than GET and HEAD.",
            "405 with Allow: GET, HEAD; 501 for a word nobody knows; 400 for none."},
     .run = Body([](Context& context) {
       for (const std::string line :
            {"POST /echo/x", "PUT /echo/x", "DELETE /echo/x", "TRACE /echo/x", "PATCH /echo/x",
             "OPTIONS /echo/x", "OPTIONS *", "CONNECT /echo/x", "CONNECT x:443"}) {
         Client client(context);
         client.send(line + " HTTP/1.1\r\nHost: x\r\n\r\n");
         const auto allow = client.expect_response(405).field("allow");
         context.expect(allow == "GET, HEAD", "the 405 to " + line + " has no 'Allow: GET, HEAD'");
         client.expect_end();
       }
       expect_refusals(context, 501, method_form,
                       {"BREW", "get", "Head", "GETS", "M-SEARCH", "!#$%&'*+-.^_`|~0"});
       expect_refusals(context, 400, method_form,
                       {"", "G(T", "G@T", "G\tT", "GET,", "G\x01T", "\"GET\"", "G\xc3\xa9T",
                        "GET:", " GET", ":"});
     })},

    {.name{"B33", "a target that is none is 400"},
     .hint{"what may stand between the two blanks of a request line?", lesson::refusing},
     .scene{"I sent request lines with blanks, control characters or nothing where the target "
            "should be.",
            "400 and the end."},
     .run = Body([](Context& context) {
       expect_refusals(context, 400, target_form,
                       {" /", "/ ", "/a b", "/a\tb", "/\x01", "/\x7f", "/\x1b[2J", "echo"});
     })},

    {.name{"B34", "a bare line feed or carriage return is 400"},
     .hint{"what ends a line in HTTP?", lesson::refusing},
     .scene{"I ended lines with a line feed alone, and put carriage returns where none belongs.",
            "400 and the end."},
     .run = Body([](Context& context) {
       expect_refusals(
           context, 400, "%",
           {"GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n", "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\rXHost: x\r\n\r\n", "GET /\r HTTP/1.1\r\nHost: x\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "\rGET / HTTP/1.0\r\n\r\n", "\r\r\nGET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\r\n\r\n", "GET / HTTP/1.0\r\n\rX: y\r\n\r\n"});
     })},

    {.name{"B62", "who ends lines with a line feed alone is told what ends a line"},
     .models = servers,
     .hint{"what does a person do whose nc gets a 400?", lesson::refusing},
     .scene{"I sent a request line as nc sends it, with LF alone.", "a 400 that speaks of CR LF."},
     .run = Body([](Context& context, Client& client) {
       client.send("GET / HTTP/1.1\n");
       const ReceivedResponse response = client.expect_response(400);
       context.expect(response.body.find("CR LF") != std::string::npos,
                      "it says only '" + readable(response.body, 200) + "'");
       client.expect_end();
     })},

    {.name{"B35", "a control character in a field is 400"},
     .hint{"which bytes may a field value hold? And where does strlen() stop?", lesson::refusing},
     .scene{"I put control characters, a zero byte among them, into fields.", "400 and the end."},
     .run = Body([](Context& context) {
       using namespace std::string_literals;
       expect_refusals(
           context, 400, field_form,
           {"A: b\0c"s, "A: \x01", "A: b\x0b", "A: \x7f", "A\0: b"s, "A: b\x1b[31m", "\x02: b"});
       expect_refusals(context, 400, target_form, {"/\0"s});
       expect_served(context, field_form, {"A: b\tc \xe4\xff\r\nB:\r\nC: "});
     })},

    {.name{"B36", "a field that is not 'Name: value' is 400, a folded one too"},
     .hint{"why is a blank before the colon dangerous behind a proxy?", lesson::refusing},
     .scene{"I sent fields with a blank before the colon, without a colon, without a name, and "
            "continued on a second line.",
            "400 and the end."},
     .run = Body([](Context& context) {
       expect_refusals(context, 400, field_form,
                       {"A", "A : b", "A\t: b", "no colon", ": no name", ":", " A: b", "\tA: b",
                        "A b: c", "A@: b", "A: b\r\n c", "A: b\r\n\tc", "(A): b", "A\x80: b", " "});
       expect_refusals(context, 400, head_form, {"GET / HTTP/1.1\r\n Host: x"});
       expect_served(context, field_form,
                     {"A:", "A: ", "A:b", "A:\t b \t", "A: b:c", "x!#$%&'*+-.^_`|~9: b",
                      "A: caf\xc3\xa9", "A: \"b\\\"c\""});
     })},

    {.name{"B37", "a Content-Length that is malformed or contradicts itself is 400"},
     .hint{"which of two lengths would the next server believe?", lesson::refusing},
     .scene{"I sent malformed and contradicting lengths.", "400 and the end; a plain 0 is fine."},
     .run = Body([](Context& context) {
       expect_refusals(
           context, 400, field_form,
           {"Content-Length: x", "Content-Length: -1", "Content-Length: -0", "Content-Length: +0",
            "Content-Length: 1", "Content-Length: 00001", "Content-Length:", "Content-Length: 0x0",
            "Content-Length: 1 0", "Content-Length: 0 0", "Content-Length: 0.0",
            "Content-Length: 0\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 0",
            "Content-Length: 0, 0", "Content-Length: 0, 5", "Content-Length: 0;",
            "Content-Length: 0 ;", "Content-Length: 99999999999999999999999",
            "Content-Length: 18446744073709551616"});
       expect_served(context, field_form,
                     {"Content-Length: 0", "content-length:0", "Content-Length: 000"});
     })},

    {.name{"B38", "the body of a GET is never taken for a request"},
     .hint{"where does the next request begin if the first has a body?", lesson::refusing},
     .scene{"I announced a body that looks like a request, and sent it.",
            "400 and the end: one answer, not two."},
     .run = Body([](Context& context) {
       const std::string body = get_request("/echo/smuggled");
       expect_refusals(context, 400, field_form,
                       {"Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body});
     })},

    {.name{"B39", "any Transfer-Encoding is 501"},
     .hint{"how would you find the end of a body in a coding you do not know?", lesson::refusing},
     .scene{"I sent requests with Transfer-Encoding.", "501 and the end."},
     .run = Body([](Context& context) {
       expect_refusals(
           context, 501, field_form,
           {"Transfer-Encoding: chunked", "transfer-encoding: identity", "Transfer-Encoding: x",
            "Transfer-Encoding: ", "Transfer-Encoding: gzip, chunked",
            "Content-Length: 0\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nTransfer-Encoding: chunked"});
       expect_refusals(context, 501, head_form, {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked"});
     })},

    {.name{"B40", "Expect: 100-continue is answered at once, other expectations are 417"},
     .hint{"what does a client wait for that sends Expect and no body?", lesson::refusing},
     .scene{"I sent Expect: 100-continue, and Expect: miracles.",
            "the final answer at once; 417 and the end."},
     .run = Body([](Context& context) {
       expect_served(context, field_form, {"Expect: 100-continue", "expect: 100-Continue"});
       expect_refusals(context, 417, field_form,
                       {"Expect: miracles", "Expect: 200-ok", "Expect: ", "Expect: 100-continues",
                        "Expect: 100-continue, x"});
     })},

    {.name{"B41", "good requests before a bad one are answered, those behind it are not"},
     .hint{"in which order do answers leave, and which is the last?", lesson::refusing},
     .scene{"I sent two good requests, a bad one and another good one in one piece.",
            "200, 200, 400, and the end."},
     .run = Body([](Context& context, Client& client) {
       client.send(
           "GET /echo/a HTTP/1.1\r\nHost: x\r\n\r\nGET /echo/b HTTP/1.1\r\nHost: x\r\n\r\nGET "
           "/echo/c\r\n\r\nGET /echo/d HTTP/1.1\r\nHost: x\r\n\r\n");
       client.expect_response(200, context.echo("a"));
       client.expect_response(200, context.echo("b"));
       client.expect_response(400);
       client.expect_end();
     })},

    {.name{"B42", "a bad request is answered, and its connection ended, without a reset"},
     .models = servers,
     .hint{"what does close() do to a socket in which unread bytes lie?", lesson::refusing},
     .scene{"I stopped the server, sent a bad request and 200 kB behind it, let the server run on, "
            "and read.",
            "the whole answer 400, then the end of the stream. The reset that close() sends for "
            "unread bytes is none: where a kernel throws away at a reset what has come before it, "
            "it takes the answer along."},
     .run = Body([](Context& context) {
       for (int round = 0; round < 5; ++round) {
         Client client(context);
         context.server().stop_running();
         const std::string all = "BAD\r\n\r\n" + std::string(200'000, 'x');
         const bool is_taken = client.offer(all) == all.size();
         context.server().run_on();
         if (!is_taken) throw Skipped{"the kernel takes too little at once to tell"};
         client.expect_response(400);
         client.expect_orderly_end();
       }
     })},

    {.name{"B44", "neither are the answers before it"},
     .models = servers,
     .needs = need_sockets,
     .hint{"what happens to sent bytes that are still on their way when a socket is closed in "
           "which unread bytes lie?",
           lesson::refusing},
     .scene{"With small buffers, I asked for 30,000 bytes, sent a bad request and 60 kB more "
            "behind it, and then read.",
            "30,000 right bytes, the answer 400, the end."},
     .run = Body([](Context& context) {
       context.start_small();
       Client client(context, {.small_buffer = true});
       client.send(get_request("/bytes/30000") + "BAD\r\n\r\n" + std::string(60'000, 'x'));
       client.wait_until_server_is_stuck();
       client.expect_bytes(30'000);
       client.expect_response(400);
       client.expect_end();
     })},

    {.name{"B46", "a bad request in front of a long upload is answered, and the answer arrives"},
     .models = servers,
     .needs = need_sockets,
     .hint{"do you count the bytes that you drain before you close, or the calls?",
           lesson::refusing},
     .scene{"I sent a bad request, and behind it 900 kB in pieces of 1,400 bytes, each when the "
            "server had read the one before; then I read.",
            "the answer 400, then the end of the stream, and no reset: the server listens to 1 MiB "
            "before it gives up."},
     .run = Body([](Context& context, Client& client) {
       client.send("BAD\r\n\r\n");
       const std::string piece(1400, 'x');
       for (int i = 0; i < 640; ++i) {
         if (!client.try_to_send(piece))
           context.fail("it has closed after " + std::to_string(i) + " pieces");
         client.wait_until_read();
       }
       client.half_close();
       client.expect_response(400);
       client.expect_orderly_end();
     })},

    {.name{"B45", "nothing that a client sends is printed"},
     .hint{"who reads your log, and what would he make of a line that a client has written?",
           lesson::refusing},
     .scene{
         "I sent targets, fields and noise that hold lines of their own and words for a terminal.",
         "not a word of them on stdout or stderr."},
     .run = Body([](Context& context) {
       for (const std::string request :
            {"GET /forged%0aaccepted HTTP/1.1\r\nHost: x\r\n\r\n",
             "GET /forged\nlistening on http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: forged\r\nX: \x1b[2Jforged\r\n\r\n",
             "forged\nforged\r\n\r\n"}) {
         Client client(context);
         client.send(request);
         (void)client.read_response();
       }
       context.settle();
       const std::string said = context.server().output() + context.server().error_output();
       for (const char* word : {"forged", "127.0.0.1:1/", "\x1b"})
         context.expect(said.find(word) == std::string::npos,
                        "it has printed '" + readable(said, 200) + "'");
     })},

    {.name{"B43", "who goes on sending after a bad request is not listened to for ever"},
     .models = every_concurrent,
     .hint{"how much do you drain before you close?", lesson::refusing},
     .scene{"With -t 1, I sent a bad request and went on sending without an end.",
            "the connection ends, after some time or some bytes."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "1"});
       Client client(context);
       client.send("BAD\r\n\r\n");
       const std::string more(10'000, 'x');
       context.eventually([&] { return !client.try_to_send(more); },
                          [] { return "it still takes everything"; });
       context.settle();
     })},
};
