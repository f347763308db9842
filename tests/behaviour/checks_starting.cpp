// Starting: the command line, the ready line, the listener, and whom it accepts.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "tests/behaviour/catalogue.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/kit/client.hpp"
#include "tests/kit/containment.hpp"

using namespace two_ways;

namespace {

// The program run with a command line that ends it at once.
struct ShortRun {
  int exit_status = -1;
  std::string output;
  std::string error_output;
};

ShortRun run_to_end(Context& context, std::vector<std::string> arguments, Launch launch = {}) {
  context.complete_command("ran", arguments);
  launch.arguments = std::move(arguments);
  launch.hand_down_listener = launch.listener >= 0;
  launch.expect_ready = false;
  ChildProcess process(context.tested().path, launch);
  const auto status = process.wait_for_end(context.timeout());
  if (!status) context.fail("the program goes on instead of ending.");
  if (!WIFEXITED(*status)) context.fail("the program " + describe_status(*status) + ".");
  return {WEXITSTATUS(*status), process.output(), process.error_output()};
}

// It must have ended in one line on stderr, with this status and these words.
void expect_refusal(Context& context, const ShortRun& run, int status,
                    const std::vector<std::string>& words) {
  const std::string said = "it exited with status " + std::to_string(run.exit_status) +
                           "; on stdout it said '" + readable(run.output) + "', on stderr '" +
                           readable(run.error_output, 200) + "'";
  context.expect(run.exit_status == status, said);
  const bool is_one_line =
      run.error_output.size() > 1 && run.error_output.find('\n') == run.error_output.size() - 1;
  context.expect(is_one_line && run.output.empty(), said);
  for (const std::string& part : words)
    context.expect(run.error_output.find(part) != std::string::npos, said);
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

Descriptor unix_listener(const std::string& path) {
  Descriptor listener(socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = unix_address(path);
  if (!listener ||
      bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      listen(listener.fd(), 16) < 0)
    throw CallFailed("bind " + path, errno);
  return listener;
}

// The first bytes of the answer that somebody gets who asks there.
std::string answer_at(const std::string& path, Timeout timeout) {
  const Descriptor client(socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = unix_address(path);
  if (!client || !set_timeouts(client.fd(), timeout) ||
      connect(client.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return describe_failure("connect", errno);
  std::array<char, 12> room{};
  (void)send_some(client.fd(), get_request("/"));
  const ssize_t count = receive(client.fd(), room);
  return count < 0 ? describe_failure("recv", errno) : std::string(room.data(), room.size());
}

ChildProcess& start_with_own_listener(Context& context, std::vector<std::string> arguments = {}) {
  return context.start({.arguments = std::move(arguments), .hand_down_listener = false});
}

}  // namespace

const std::vector<Check> starting_checks = {
    {.name{"A00", "it starts and answers one request"},
     .hint{"does it print its ready line, flush it, and then read and answer?",
           lesson::first_server},
     .scene{"I started the server and sent GET /.", "an answer with status 200."},
     .run = Body([](Context& context, Client& client) {
       client.get("/");
       const ReceivedResponse response = client.expect_response(200);
       context.expect(!response.body.empty(), "the greeting is empty");
     })},

    {.name{"A01", "every client of a burst is accepted"},
     .hint{"if several clients are waiting, how often is the listener reported, and how often do "
           "you accept?",
           lesson::accepting},
     .scene{"I stopped the server, connected 32 clients that each asked for a text of their own, "
            "and let it run on.",
            "32 answers, each with the right text."},
     .run = Body([](Context& context) {
       context.server().stop_running();
       std::vector<Client> clients;
       for (int i = 0; i < 32; ++i)
         clients.emplace_back(context).send(
             get_request("/echo/client" + std::to_string(i), "Connection: close\r\n"));
       context.server().run_on();
       for (std::size_t i = 0; i < clients.size(); ++i)
         clients[i].expect_response(200, context.echo("client" + std::to_string(i)));
     })},

    {.name{"A10", "the backlog has room for a burst"},
     .needs = need_sockets,
     .hint{"what is the second argument of listen() for?", lesson::first_server},
     .scene{"I let the server make its own listener.",
            "its backlog has room for at least 16 clients."},
     .run = Body([](Context& context) {
       start_with_own_listener(context);
       const auto backlog = backlog_of(context.server().port());
       context.expect(backlog.has_value(), "nobody listens on the announced port");
       context.expect(backlog->room >= 16,
                      "the backlog has room for " + std::to_string(backlog->room));
     })},

    {.name{"A11", "it can be restarted on the same port at once"},
     .hint{"which socket option lets bind() take a port whose old connections are in TIME_WAIT?",
           lesson::first_server},
     .scene{"I had the server close a connection first, stopped it, and started it again on the "
            "same port.",
            "it starts."},
     .run = Body([](Context& context) {
       start_with_own_listener(context);
       const std::string port = std::to_string(context.server().port());
       Client client(context);
       client.send(get_request("/", "Connection: close\r\n"));
       client.expect_response(200);
       client.expect_end();  // the server's end of it is now the one that waits
       client.close();
       context.expect_clean_stop();
       start_with_own_listener(context, {"-p", port});
       Client(context).ask("/", 200);
     })},

    {.name{"A12", "it listens on 127.0.0.1 only, unless told otherwise"},
     .needs = need_proc | need_peace,  // elsewhere 127.0.0.2 is not an address of the machine
     .hint{"which address does bind() get?", lesson::first_server},
     .scene{"I let the server make its own listener and tried 127.0.0.2.",
            "that is refused; and with -a 127.0.0.2 it listens there."},
     .run = Body([](Context& context) {
       start_with_own_listener(context);
       const bool reached = Client::try_to_connect(context, {.address = "127.0.0.2"}).has_value();
       context.expect(!reached, "127.0.0.2 was accepted: it listens on every address");
       ChildProcess& server = context.start({.arguments = {"-a", "127.0.0.2", "-p", "0"},
                                             .hand_down_listener = false,
                                             .expect_ready = false});
       const std::string expected = "listening on http://127.0.0.2:";
       context.eventually([&] { return server.output().find('\n') != std::string::npos; },
                          [&] { return "it printed '" + server.output() + "'"; });
       context.expect(server.output().compare(0, expected.size(), expected) == 0,
                      "it printed '" + server.output() + "'");
     })},

    {.name{"A22", "who listens for other machines is told so"},
     .needs = need_peace,
     .hint{"who can connect to 0.0.0.0, and does the person who has typed it know?",
           lesson::first_server},
     .scene{"I started the server with -a 0.0.0.0, and without.",
            "a note on stderr that other machines can reach it; none without."},
     .run = Body([](Context& context) {
       for (const bool wide : {true, false}) {
         Launch launch;
         launch.hand_down_listener = false;
         launch.expect_ready = false;
         if (wide) launch.arguments = {"-a", "0.0.0.0", "-p", "0"};
         ChildProcess& server = context.start(launch);
         context.eventually([&] { return server.output().find('\n') != std::string::npos; },
                            [&] { return "it printed '" + server.output() + "'"; });
         const std::string said = server.error_output();
         context.expect((said.find("other machines") != std::string::npos) == wide,
                        "on stderr it said '" + readable(said, 200) + "'");
         context.expect_clean_stop();
       }
     })},

    {.name{"A13", "a port that is taken is reported in words"},
     .hint{"what do you do with the result of bind()?", lesson::errors},
     .scene{"I started the server on a port on which somebody else listens.",
            "one line on stderr that names bind, EADDRINUSE, the port, and -p for another; exit "
            "status 1."},
     .run = Body([](Context& context) {
       const Backend somebody_else;
       expect_refusal(context, run_to_end(context, {"-p", somebody_else.port_text()}), 1,
                      {"bind: EADDRINUSE (", "port " + somebody_else.port_text(), "-p"});
     })},

    {.name{"A14", "the ready line is the only line, and is true"},
     .hint{"is the line printed after listen(), and flushed?", lesson::first_server},
     .scene{"I let the server make its own listener on a port that the kernel chose.",
            "one line 'listening on http://127.0.0.1:PORT/' on stdout, and whoever connects to "
            "that port then is served."},
     .run = Body([](Context& context) {
       ChildProcess& server = start_with_own_listener(context);
       Client client(context);
       client.expect_echo("ready");
       const std::string line =
           "listening on http://127.0.0.1:" + std::to_string(server.port()) + "/\n";
       context.expect(server.output() == line,
                      "stdout is '" + readable(server.output(), 200) + "'");
     })},

    {.name{"A15", "its descriptors are not inherited by programs it might start"},
     .needs = need_proc,
     .hint{"which flag of a descriptor closes it at exec()?", lesson::first_server},
     .scene{"I looked at the flags of the listener, of a client's socket, and of whatever else the "
            "server has opened for itself.",
            "all have close-on-exec."},
     .run = Body([](Context& context) {
       start_with_own_listener(context);
       Client client(context);
       client.ask("/", 200);
       const std::string open = inheritable_descriptors_of(context.server().pid());
       context.expect(open.empty(), "these lack it: descriptor " + open);
     })},

    {.name{"A17", "many clients are served in any order"},
     .models = every_concurrent,
     .hint{"who is looked after while you wait for one client?", lesson::one_at_a_time},
     .scene{"I connected 8 clients, and asked with the last one first, going back to the first; "
            "and all that once more.",
            "each is answered at once, whoever connected before."},
     .run = Body([](Context& context) {
       std::vector<Client> clients = connected_clients(context, 8);
       for (int round = 0; round < 2; ++round)
         for (std::size_t i = clients.size(); i-- > 0;)
           clients[i].expect_echo(std::to_string(round) + "-" + std::to_string(i));
     })},

    {.name{"A18", "a second client waits until the first has gone"},
     .models = one_at_a_time,
     .hint{"where is the only thread while the first client is silent?", lesson::one_at_a_time},
     .scene{"I connected a silent client and then one that asks.",
            "the second is answered only after the first has gone: that is what this server is "
            "there to show."},
     .run = Body([](Context& context) {
       Client silent(context);
       silent.ask("/", 200);
       Client waiting(context);
       waiting.get("/echo/waiting");
       context.wait_until_quiet();
       context.expect(!waiting.something_arrives_within(std::chrono::milliseconds(50)),
                      "the second was answered while the first was still there");
       silent.close();
       waiting.expect_response(200, "waiting");
     })},

    {.name{"A19", "a listener that is handed down is used"},
     .hint{"what do LISTEN_FDS and LISTEN_PID say, and which descriptor is meant?",
           lesson::first_server},
     .scene{"I handed a listener down as descriptor 3 with LISTEN_FDS=1; then the same with a "
            "LISTEN_PID that means somebody else.",
            "the first is used; the second is not, and it listens on its own -p."},
     .run = Body([](Context& context) {
       const std::uint16_t handed_down = context.start().port();
       Client client(context);
       client.expect_echo("handed-down");
       client.close();
       context.start(
           {.environment = {"LISTEN_FDS=1", "LISTEN_PID=1"}, .hand_down_listener = false});
       context.expect(context.server().port() != handed_down,
                      "it used a listener meant for another process");
     })},

    {.name{"A20", "-h prints the usage"},
     .hint{"what should a program do when it is asked for help?", lesson::errors},
     .scene{"I asked for help with -h.", "the usage on stdout, nothing on stderr, exit status 0."},
     .run = Body([](Context& context) {
       const ShortRun run = run_to_end(context, {"-h"});
       context.expect(run.exit_status == 0,
                      "the exit status is " + std::to_string(run.exit_status));
       context.expect(run.output.find("-p") != std::string::npos,
                      "stdout is '" + readable(run.output, 200) + "'");
       context.expect(run.error_output.empty(),
                      "stderr is '" + readable(run.error_output, 200) + "'");
     })},

    {.name{"A21", "a bad command line is refused in one line"},
     .hint{"what does getopt() return for what it does not know?", lesson::errors},
     .scene{"I started the program with bad command lines.",
            "each gets one line on stderr, nothing on stdout, and exit status 2."},
     .run = Body([](Context& context) {
       std::vector<std::vector<std::string>> bad = {
           {"-p"}, {"-Z"}, {"--nonsense"}, {"argument"}, {"-p", "0", "extra"}};
       const auto refuse = [&bad](const char* option, std::initializer_list<const char*> values) {
         for (const char* value : values) bad.push_back({option, value});
       };
       refuse("-p", {"99999", "65536", "x", "80x", "-1", "", "+80", " 80", "99999999999999999999"});
       refuse("-t", {"x", "-1", "nan", "inf", "1s", "", "0", "1e9"});
       if (context.is(slow_backend)) refuse("-d", {"-1", "x"});
       if (context.is(servers)) refuse("-b", {"0", "x"});
       if (context.is(thread_per_connection)) refuse("-n", {"0", "1e3"});
       if (context.is(thread_per_connection)) refuse("-s", {"63"});
       for (const std::vector<std::string>& arguments : bad) {
         expect_refusal(context, run_to_end(context, arguments), 2, {});
       }
     })},

    {.name{"A40", "started without standard descriptors, it prints into nobody's answer"},
     .models = every_program,
     .needs = need_peace,
     .hint{"which number does the next descriptor get if 0, 1 or 2 is free?", lesson::first_server},
     .scene{"I started the server with every choice of descriptors 0, 1 and 2 closed; a client "
            "asked, SIGUSR1 came, the client asked again, and I sent SIGTERM.",
            "each answer as always and nothing between them; it sleeps when it has nothing to do; "
            "exit status 0. What it has no place to print is lost."},
     .run = Body([](Context& context) {
       for (unsigned choice = 1; choice < 8; ++choice) {
         Launch launch;
         for (int fd = 0; fd <= 2; ++fd)
           if ((choice >> fd & 1U) != 0) launch.closed.push_back(fd);
         // With nowhere to print its ready line, the port must be known beforehand.
         launch.expect_ready = (choice & 2U) == 0;
         launch.hand_down_listener = !launch.expect_ready;
         ChildProcess& server = context.start(launch);
         std::string numbers = "descriptors closed:";
         for (const int fd : launch.closed) numbers += " " + std::to_string(fd);
         context.note(numbers);
         Client client(context);
         client.expect_echo("before");
         server.signal(SIGUSR1);
         context.expect(context.wait_until_quiet(),
                        "it does not go to sleep; " + context.describe_server());
         client.expect_echo("after");
         client.close();
         context.expect_clean_stop();
       }
     })},

    {.name{"A41", "a ready line that nobody can read is reported in words"},
     .models = every_program,
     .needs = need_peace,
     .hint{"what do you do with the result of fflush(), and what does SIGPIPE do by default?",
           lesson::errors},
     .scene{"I started the server with a pipe as its stdout whose reader had gone, and, where "
            "there is one, with /dev/full.",
            "one line on stderr: write: EPIPE, write: ENOSPC; exit status 1."},
     .run = Body([](Context& context) {
       int ends[2];
       open_pipe(ends);
       const Descriptor writer(ends[1]);
       { const Descriptor reader_goes(ends[0]); }
       const auto expect_words = [&context](int output, const char* words) {
         expect_refusal(context, run_to_end(context, {"-p", "0"}, {.output = output}), 1, {words});
       };
       expect_words(writer.fd(), "write: EPIPE (");
       const Descriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
       if (full) expect_words(full.fd(), "write: ENOSPC (");
     })},

    {.name{"A42", "a listener in the file system is announced by its path"},
     .models = every_program,
     .needs = need_peace,
     .hint{"which families of addresses can a listener have that somebody else has made?",
           lesson::first_server},
     .scene{"I handed down UNIX-domain listeners, one with a long path.",
            "the ready line 'listening on unix:PATH'; no word about other machines, who cannot "
            "reach it; whoever asks there is answered."},
     .run = Body([](Context& context) {
       const Room folder("/tmp");
       for (const std::size_t more : {1U, 82U}) {
         const std::string path = folder.path() + "/" + std::string(more, 'x');
         const Descriptor listener = unix_listener(path);
         ChildProcess& server = context.start({.listener = listener.fd(), .expect_ready = false});
         context.eventually(
             [&] { return server.output().find('\n') != std::string::npos; },
             [&] { return "it said '" + server.output() + server.error_output() + "'"; });
         context.expect(
             server.output() == "listening on unix:" + path + "\n" && server.error_output().empty(),
             "it said '" + server.output() + server.error_output() + "'");
         const std::string response = answer_at(path, context.timeout());
         context.expect(response == "HTTP/1.1 200", "the answer is '" + response + "'");
         context.expect_clean_stop();
       }
     })},

    {.name{"A43", "a backend that would be the server itself is refused"},
     .models = servers,
     .needs = need_peace,
     .hint{"whom does /row ask if -b is the server's own port, and where does that end?",
           lesson::backend},
     .scene{"I gave -b the port of -p, and then that of a listener handed down.",
            "one line on stderr that names -b; exit status 2. Each /row would ask for another one, "
            "until no descriptor is left."},
     .run = Body([](Context& context) {
       const std::string port = std::to_string(Backend::dead_port());
       expect_refusal(context, run_to_end(context, {"-p", port, "-b", port}), 2, {"-b " + port});
       const Descriptor listener = listen_on("127.0.0.1", 0);
       const std::string handed_down = std::to_string(local_port(listener.fd()));
       expect_refusal(context,
                      run_to_end(context, {"-b", handed_down}, {.listener = listener.fd()}), 2,
                      {"-b " + handed_down});
     })},

    {.name{"A44", "a stack that is too small is refused in words"},
     .models = every_program,
     .needs = need_peace | need_plain_build,
     .hint{"how much stack does your deepest call need, and who may have allowed less?",
           lesson::errors},
     .scene{"I started the server with a stack of 32 KiB, and of 128 KiB.",
            "with 32 one line on stderr that says what to do, and exit status 1; with 128 it "
            "serves, a long answer too."},
     .run = Body([](Context& context) {
       expect_refusal(context, run_to_end(context, {"-p", "0"}, {.stack_limit = 32 * 1024}), 1,
                      {"ulimit -s"});
       context.start({.stack_limit = 128 * 1024});
       context.settle();
       if (context.is(slow_backend)) return;
       Client client(context);
       client.get("/bytes/1000000");
       client.expect_bytes(1'000'000);
     })},
};
