// Stopping: SIGTERM ends the server, and no answer.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "tests/behaviour/catalogue.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/kit/client.hpp"

namespace {

// To the last byte. Whoever inherits the pipe afterwards has it blocking, as pipes are.
void fill(int pipe) {
  set_nonblocking(pipe);
  for (std::string bytes(4096, 'x'); !bytes.empty(); bytes.resize(bytes.size() / 2))
    while (write(pipe, bytes.data(), bytes.size()) > 0) {
    }
  if (fcntl(pipe, F_SETFL, 0) < 0) throw CallFailed("fcntl(F_SETFL)", errno, pipe);
}

// SIGTERM while an answer is stuck, and once more when the server has seen it. Returns its status.
int status_after_two_signals(Context& context) {
  const Client client = stuck_client(context, 50'000'000, {});
  context.server().signal(SIGTERM);
  context.wait_until_quiet();
  context.expect(!context.server().status_if_ended().has_value(),
                 "it ended at the first signal, with an answer unfinished");
  context.server().signal(SIGTERM);
  const auto status = context.wait_for_end();
  if (!status) context.fail("it still runs; " + context.describe_server());
  return *status;
}

}  // namespace

const std::vector<Check> stopping_checks = {
    {.name{"S01", "SIGTERM with idle clients: they are closed, exit status 0"},
     .hint{"who wakes those that wait for a request?", lesson::stopping},
     .scene{"With clients that were silent, had been answered, or had sent half a request, I sent "
            "SIGTERM.",
            "each is closed, and the server exits with 0."},
     .run = Body([](Context& context) {
       std::vector<Client> clients = connected_clients(context, 6);
       clients[0].expect_echo("x");
       clients[1].send("GET /hal");
       if (!context.is(one_at_a_time)) clients[1].wait_until_read();
       context.expect_clean_stop();
       for (std::size_t i = 0; i < clients.size(); ++i) {
         if (i == 1) continue;  // its half request may have been answered with a 408
         clients[i].expect_end();
       }
     })},

    {.name{"S02", "SIGTERM while an answer is on its way: it arrives whole"},
     .models = servers,
     .needs = need_sockets,
     .hint{"which conversations may end at once, and which are in the middle of something?",
           lesson::stopping},
     .scene{"With small buffers, a client asked for 400,000 bytes and for two words; when the "
            "first answer had begun, I sent SIGTERM; then the client read.",
            "all answers whole, because all requests had been received; the end; exit status 0."},
     .run = Body([](Context& context) {
       context.start_small();
       Client client(context, {.small_buffer = true});
       client.send(get_request("/bytes/400000") + get_request("/echo/one") +
                   get_request("/echo/two"));
       client.wait_until_server_is_stuck();
       context.server().signal(SIGTERM);
       client.expect_bytes(400'000);
       client.expect_response(200, "one");
       client.expect_response(200, "two");
       client.expect_end();
       context.expect_exit_status_0();
     })},

    {.name{"S11",
           "SIGTERM while another request waits behind the answer on its way: it arrives whole"},
     .models = servers,
     .needs = need_sockets,
     .hint{"what does the kernel do with unsent bytes when you close over unread ones?",
           lesson::stopping},
     .scene{"A client asked for 20,000,000 bytes; when that answer had begun it asked for a word, "
            "and I sent SIGTERM; then the client read.",
            "the long answer whole: closing the socket over the unread request would reset the "
            "connection and throw away what has not left yet; exit status 0."},
     .run = Body([](Context& context) {
       Client client = stuck_client(context, 20'000'000, {});
       client.send(get_request("/echo/behind"));
       context.server().signal(SIGTERM);
       client.expect_bytes(20'000'000);
       context.expect_exit_status_0();
     })},

    {.name{"S13", "a request that comes after SIGTERM cuts nothing off"},
     .models = servers,
     .needs = need_sockets,
     .hint{"the kernel has taken the whole answer over; has it also sent it?", lesson::stopping},
     .scene{"A client with a small window asked for 40,000 bytes, which the server's kernel took "
            "over whole and could not send yet; I sent SIGTERM; when the server had seen it, the "
            "client asked for a word, and read.",
            "the long answer whole: closing before it had left, the request would be answered with "
            "a reset, and that throws away what is unsent; exit status 0."},
     .run = Body([](Context& context) {
       Client client = stuck_client(context, 40'000);
       context.server().signal(SIGTERM);
       context.wait_until_quiet();
       (void)client.try_to_send(get_request("/echo/late"));
       client.expect_bytes(40'000);
       context.expect_exit_status_0();
     })},

    {.name{"S12", "a byte too many while the last answer is on its way: it arrives whole"},
     .models = servers,
     .needs = need_sockets,
     .hint{"may you close at once when the last byte has been handed to the kernel?",
           lesson::stopping},
     .scene{"A client asked for 20,000,000 bytes and for the end of the connection; when the "
            "answer had begun it sent an empty line; then it read.",
            "the answer whole, and the end. Some old clients do send that line (RFC 9112 2.2)."},
     .run = Body([](Context&, Client& client) {
       client.send("GET /bytes/20000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
       client.wait_until_server_is_stuck();
       client.send("\r\n");
       client.expect_bytes(20'000'000);
       client.expect_end();
     })},

    {.name{"S03", "after SIGTERM nobody new is accepted, and the port is free"},
     .models = concurrent,
     .needs = need_sockets,
     .hint{"what is the first thing to do on SIGTERM?", lesson::stopping},
     .scene{"While an answer was stuck I sent SIGTERM, and tried to connect.",
            "connecting is refused; when the answer has been read the server exits with 0, and "
            "starts again on the same port."},
     .run = Body([](Context& context) {
       const std::uint16_t port = context.start({.hand_down_listener = false}).port();
       Client client = stuck_client(context, 50'000'000, {});
       context.server().signal(SIGTERM);
       context.eventually([&] { return !Client::try_to_connect(context).has_value(); },
                          [] { return "clients can still connect"; });
       client.expect_bytes(50'000'000);
       client.expect_end();
       context.expect_exit_status_0();
       context.start({.arguments = {"-p", std::to_string(port)}, .hand_down_listener = false});
       context.settle();
     })},

    {.name{"S04", "a second signal ends it at once"},
     .models = servers,
     .needs = need_sockets,
     .hint{"what does a user want who presses Ctrl-C twice?", lesson::stopping},
     .scene{"While an answer was stuck I sent SIGTERM, and when the server had seen it, once more.",
            "it dies by the signal."},
     .run = Body([](Context& context) {
       const int status = status_after_two_signals(context);
       context.expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM,
                      "it " + describe_status(status));
       context.forget_server();
     })},

    {.name{"S05", "SIGINT is like SIGTERM"},
     .hint{"which signal does Ctrl-C send?", lesson::stopping},
     .scene{"With an idle client I sent SIGINT.", "the end, and exit status 0."},
     .run = Body([](Context& context, Client& client) {
       client.ask("/", 200);
       context.wait_until_quiet();  // it has turned to its wait: what must wake it now?
       context.server().signal(SIGINT);
       client.expect_end();
       context.expect_exit_status_0();
     })},

    {.name{"S06", "SIGTERM under load: whole answers or none"},
     .hint{"is there a moment between reading a request and answering it in which it is lost?",
           lesson::stopping},
     .scene{"While 20 clients came, each with three requests, I sent SIGTERM; four times, each "
            "time a little later.",
            "every client gets answers that are whole, and then the end; exit status 0."},
     .run = Body([](Context& context) {
       for (int round = 0; round < 4; ++round) {
         context.start();
         std::vector<Client> clients;
         for (int i = 0; i < 20; ++i) {
           auto client = Client::try_to_connect(context);
           if (!client) break;  // it has stopped accepting
           clients.push_back(std::move(*client));
           (void)clients.back().try_to_send(get_request("/echo/a") + get_request("/echo/b") +
                                            get_request("/echo/c"));
           if (i == 5 * round) context.server().signal(SIGTERM);
         }
         for (Client& client : clients) client.expect_whole_responses_then_end();
         context.expect_exit_status_0();
         context.expect_healthy();
       }
     })},

    {.name{"S07", "SIGTERM at the same moment as requests, ends and resets"},
     .hint{"the signal and the events come in one wake-up: which is looked at first?",
           lesson::stopping},
     .scene{"I stopped the server; clients asked, half-closed, reset; I sent SIGTERM and let it "
            "run on. Five times.",
            "answers that are whole, and exit status 0."},
     .run = Body([](Context& context) {
       for (int round = 0; round < 5; ++round) {
         context.start();
         std::vector<Client> clients = connected_clients(context, 12);
         clients[0].expect_echo("x");
         context.server().stop_running();
         for (std::size_t i = 0; i < clients.size(); ++i) {
           clients[i].get("/echo/y");
           if (i % 4 == 1) clients[i].half_close();
           if (i % 4 == 2) clients[i].reset();
         }
         context.server().signal(SIGTERM);
         context.server().run_on();
         context.expect_exit_status_0();
         for (std::size_t i = 0; i < clients.size(); ++i)
           if (i % 4 != 2) clients[i].expect_whole_responses_then_end();
         context.expect_healthy();
       }
     })},

    {.name{"S08", "SIGTERM right after the start, ten times"},
     .hint{"are the handlers there before the ready line?", lesson::stopping},
     .scene{"I started the server and sent SIGTERM as soon as it was ready, with clients in the "
            "backlog every second time.",
            "exit status 0 each time."},
     .run = Body([](Context& context) {
       for (int round = 0; round < 10; ++round) {
         context.start();
         std::vector<Client> clients = connected_clients(context, (round % 2) * 3);
         context.expect_clean_stop();
       }
     })},

    {.name{"S14", "a client that never stops asking does not forbid the first SIGTERM"},
     .models = servers,
     .hint{"after a stop, which answer is the last one of a connection?", lesson::stopping},
     .scene{"A client asked for /spin/1 without ceasing, in pieces that end in the middle of a "
            "request; then I sent SIGTERM, and it went on asking.",
            "what has been received is answered, and no more: exit status 0."},
     .run = Body([](Context& context, Client& client) {
       const std::string one = get_request("/spin/1");
       std::string many = one;
       while (many.size() < 17'000) many += one;
       std::size_t begin = 0;  // of the next piece, within a request
       const auto ask_on = [&] {
         const bool is_taken = client.try_to_send(many.substr(begin, 16'000));
         begin = (begin + 16'000) % one.size();
         return is_taken;
       };
       context.expect(ask_on(), "it has closed before the signal");
       client.expect_response(200);
       context.server().signal(SIGTERM);
       context.eventually([&] { return !ask_on(); },
                          [] { return "as long as that client asks, it is answered"; });
       context.expect_exit_status_0();
     })},

    {.name{"S09", "SIGTERM while it is out of descriptors"},
     .needs = need_proc,
     .hint{"while accepting pauses, what is the server waiting for?", lesson::stopping},
     .scene{"I took away all further descriptors, connected clients that asked, and sent SIGTERM.",
            "exit status 0."},
     .run = Body([](Context& context) {
       context.settle();
       context.limit_descriptors(context.descriptors());
       std::vector<Client> clients = asking_clients(context, 3, "/echo/x");
       context.wait_until_quiet();
       context.expect_clean_stop();
     })},

    {.name{"S10", "no answer is waited for that nobody takes"},
     .models = servers,
     .needs = need_sockets,
     .hint{"does the clock of a conversation still run after SIGTERM?", lesson::stopping},
     .scene{"With -t 0.5, a client asked for 50 MB and did not read; I sent SIGTERM.",
            "the server gives up on that client after 0.5 s, and exits with 0."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "0.5"});
       Client client = stuck_client(context, 50'000'000, {});
       context.server().signal(SIGTERM);
       context.expect_exit_status_0();
     })},

    {.name{"S30", "started with all signals blocked, it heeds them"},
     .models = every_program,
     .needs = need_peace,
     .hint{"what does a program inherit from whoever starts it, besides its descriptors?",
           lesson::signals},
     .scene{"I started the server with all signals blocked, and sent SIGUSR1 and SIGTERM.",
            "counters, and exit status 0."},
     .run = Body([](Context& context) {
       ChildProcess& server = context.start({.signals_blocked = true});
       server.signal(SIGUSR1);
       context.eventually([&] { return !server.error_output().empty(); },
                          [] { return "no counters after SIGUSR1"; });
       if (context.is(prefork)) context.expect_replacement();
       context.expect_clean_stop();
     })},

    {.name{"S31", "as process 1 of a container, a second signal ends it at once"},
     .models = servers,
     .needs = need_peace | need_sockets | need_plain_build,
     .hint{"what does the kernel do with a signal to process 1 that has no handler?",
           lesson::stopping},
     .scene{"I started the server as process 1 of a PID namespace. While an answer was stuck I "
            "sent SIGTERM, and when the server had seen it, once more.",
            "it ends with the status that a shell gives to the signal, 143: for process 1 the "
            "kernel drops the signal's default action."},
     .run = Body([](Context& context) {
       try {
         context.start({.first_process = true});
       } catch (const CallFailed& failed) {
         throw Skipped{std::string("no PID namespace can be made here: ") + failed.what()};
       }
       const int status = status_after_two_signals(context);
       context.expect(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM,
                      "it " + describe_status(status));
       context.forget_server();
     })},

    {.name{"S32", "what stderr cannot take is dropped"},
     .models = every_program,
     .needs = need_peace,
     .hint{"how long does write() to a pipe take that is full?", lesson::signals},
     .scene{"I started the server with a full pipe as its stderr, sent SIGUSR1 and asked; then the "
            "pipe's reader went, and I did the same again.",
            "answers, and exit status 0 on SIGTERM: whoever reads the counters, or does not, must "
            "not hold up the server."},
     .run = Body([](Context& context) {
       int ends[2];
       open_pipe(ends);
       Descriptor reader(ends[0]);
       const Descriptor writer(ends[1]);
       fill(writer.fd());
       context.start({.error_output = writer.fd()});
       for (const bool is_read : {true, false}) {
         if (!is_read) reader = Descriptor();
         context.server().signal(SIGUSR1);
         if (context.is(prefork)) context.expect_replacement();
         context.settle();
       }
       context.expect_clean_stop();
     })},

    {.name{"S33", "a stderr that may grow no more does not end it"},
     .models = every_program,
     .needs = need_peace,
     .hint{"what does the kernel do besides saying EFBIG (setrlimit(2))?", lesson::signals},
     .scene{"With files limited to 100 bytes and a file as stderr, I sent SIGUSR1 again and again, "
            "and asked.",
            "answers, and exit status 0 on SIGTERM."},
     .run = Body([](Context& context) {
       context.start({.file_size_limit = 100});
       for (int i = 0; i < 4; ++i) {
         context.server().signal(SIGUSR1);
         context.settle();
       }
       const std::size_t size = context.server().error_output().size();
       context.expect(size == 100,
                      "stderr has " + std::to_string(size) + " bytes: was it ever full?");
       context.expect_clean_stop();
     })},

    {.name{"S34", "its limit of descriptors falls below what it holds: nobody is lost"},
     .needs = need_peace | need_proc | need_plain_build,
     .hint{"what does poll() say to a list that is longer than RLIMIT_NOFILE?",
           lesson::descriptors},
     .scene{"With clients connected I lowered the server's RLIMIT_NOFILE to 1; they asked; another "
            "one came; I raised it again; and lowered it for SIGTERM.",
            "those who are there are served, the new one as soon as there is room; it does not "
            "spin; exit status 0."},
     .run = Body([](Context& context) {
       std::vector<Client> clients = answered_clients(context, context.is(one_at_a_time) ? 1 : 12);
       context.limit_descriptors(1);
       for (Client& client : clients) client.expect_echo("held");
       Client late(context);
       late.get("/echo/late");
       if (context.is(one_at_a_time)) clients.clear();
       context.expect_no_spinning("with its limit below what it holds");
       context.expect(!late.something_arrives_within(std::chrono::milliseconds(1)),
                      "somebody new was answered, for whom there was no descriptor");
       context.limit_descriptors(descriptor_limit());
       late.expect_response(200, context.echo("late"));
       context.limit_descriptors(1);
       context.expect_clean_stop();
     })},
};
