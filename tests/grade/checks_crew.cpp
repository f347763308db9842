// A crew of threads that is made once.
#include <sys/wait.h>

#include <csignal>
#include <set>
#include <vector>

#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/client.hpp"

namespace {

using std::to_string;

std::set<int> thread_ids(Context& context) {
  std::set<int> ids;
  for (const ThreadLook& thread : threads_of(context.server().pid())) ids.insert(thread.id);
  return ids;
}

std::size_t threads_with(Context& context, int limit) {
  context.start_with({"-n", to_string(limit)});
  context.wait_until_quiet();
  return context.threads();
}

bool is_accepted(const Client& client) {
  const auto look = server_side_of(client.socket());
  return look && look->accepted;
}

std::uint64_t sleeps_of(Context& context) {
  context.wait_until_quiet();
  std::uint64_t sum = 0;
  for (const ThreadLook& thread : threads_of(context.server().pid()))
    sum += thread.voluntary_switches;
  return sum;
}

// One client that gives its thread no reason to be glad.
void be_a_nuisance(Context& context, int kind) {
  Client client(context);
  switch (kind % 6) {
    case 0:
      return client.reset();
    case 1:
      client.send("GET /ha");
      return client.reset();
    case 2:
      client.get("/bytes/3000000");
      return client.reset();
    case 3:
      client.send("BAD\r\n\r\n");
      client.expect_response(400);
      return client.close();
    case 4:
      client.get("/echo/x");
      client.half_close();
      return client.expect_response(200, "x");
    default:
      client.send("GET /echo/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      return client.expect_response(200, "x");
  }
}

}  // namespace

const std::vector<Check> crew_checks = {
    {.name{"P01", "the threads are there before the first client, and -n says how many"},
     .needs = need_proc,
     .hint{"when should a server learn that it cannot have its threads?", lesson::threads},
     .scene{"I started it with -n 3 and with -n 11, and counted the threads.",
            "3 and 11, and the main thread (one more may look after signals)."},
     .run = Body([](Context& context) {
       const std::size_t few = threads_with(context, 3);
       const std::size_t more = threads_with(context, 11);
       const std::size_t others = context.sanitizers().thread ? 3 : 2;
       context.expect(
           few >= 3 && few <= 3 + others && more == few + 8,
           "I counted " + to_string(few) + " with -n 3, and " + to_string(more) + " with -n 11");
     })},

    {.name{"P02", "the same threads serve the first client and the last"},
     .needs = need_proc,
     .hint{"what does a thread do when its client has gone?", lesson::threads},
     .scene{"With -n 4, 150 clients came, some of them a nuisance, and four at once.",
            "the same thread ids at every look."},
     .run = Body([](Context& context) {
       context.start_with({"-n", "4"});
       context.wait_until_quiet();
       const std::set<int> before = thread_ids(context);
       context.expect(before.size() >= 4, "at the start I counted " + to_string(before.size()));
       const auto expect_the_same = [&] {
         for (const int id : thread_ids(context))
           context.expect(before.count(id) > 0, "there is a thread that was not there before");
         context.expect(thread_ids(context).size() == before.size(), "a thread has ended");
       };
       for (int i = 0; i < 150; ++i) {
         be_a_nuisance(context, i);
         if (i % 10 == 0) expect_the_same();
       }
       const std::vector<Client> clients = answered_clients(context, 4);
       expect_the_same();
     })},

    {.name{"P03", "whoever finds no thread free is not accepted, and is served in turn"},
     .needs = need_sockets,
     .hint{"who calls accept(), and does it know that a thread is free?", lesson::threads},
     .scene{"With -n 3 and three clients connected, five more connected and asked; then one of the "
            "three left, and then each that had been served.",
            "the five stay in the backlog, and with each that leaves the next is accepted."},
     .run = Body([](Context& context) {
       context.start_with({"-n", "3"});
       std::vector<Client> served = answered_clients(context, 3);
       std::vector<Client> waiting = asking_clients(context, 5, "/echo/waiting");
       served[0].close();
       for (std::size_t i = 0; i < waiting.size(); ++i) {
         waiting[i].expect_response(200, "waiting");
         context.wait_until_quiet();
         for (std::size_t other = i + 1; other < waiting.size(); ++other)
           context.expect(!is_accepted(waiting[other]),
                          "client " + to_string(waiting[other].number()) +
                              " has been accepted, and there is no thread for it");
         waiting[i].close();
       }
     })},

    {.name{"P04", "whatever its clients do, no thread is lost"},
     .hint{"on which way out of a conversation does a thread not become free?", lesson::leaving},
     .scene{"With -n 4, sixty nuisances came and went; then four clients at once.",
            "the four are answered, with all of them connected."},
     .run = Body([](Context& context) {
       context.start_with({"-n", "4"});
       for (int i = 0; i < 60; ++i) be_a_nuisance(context, i);
       std::vector<Client> clients = connected_clients(context, 4);
       for (int i = 4; i-- > 0;) {
         clients[static_cast<std::size_t>(i)].expect_echo("four");
       }
     })},

    {.name{"P05", "SIGTERM: each thread ends when its client is served, and is waited for"},
     .needs = need_proc | need_sockets,
     .hint{"which call gives a thread back, and who makes it?", lesson::stopping},
     .scene{"With -n 6 and small buffers, one client asked for 400,000 bytes and did not read, "
            "three were silent; then came SIGTERM; then the first read.",
            "the three get the end; five of six threads end; the others sleep until the answer has "
            "left; exit status 0."},
     .run = Body([](Context& context) {
       context.start_small({"-n", "6"});
       Client slow = stuck_client(context, 400'000);
       std::vector<Client> silent = answered_clients(context, 3);
       context.wait_until_quiet();
       const std::size_t before = context.threads();
       context.server().signal(SIGTERM);
       for (Client& client : silent) client.expect_end();
       context.eventually(
           [&] { return context.threads() + 5 <= before; },
           [&] {
             return "of " + to_string(before) + " threads " + to_string(context.threads()) +
                    " are left while one client is being answered; " + context.describe_server();
           });
       context.expect_asleep("While the last answer waits for its reader");
       slow.expect_bytes(400'000);
       slow.expect_end();
       context.expect_exit_status_0();
     })},

    {.name{"P06", "after SIGTERM nobody is taken out of the backlog"},
     .needs = need_sockets,
     .hint{"a thread comes back from its client after the stop. What does it do next?",
           lesson::stopping},
     .scene{"With -n 1 and small buffers, one client asked for 100,000 bytes and did not read, "
            "three asked behind it; then came SIGTERM; then the first read.",
            "the first gets every byte, the three nothing but the end; exit status 0."},
     .run = Body([](Context& context) {
       context.start_small({"-n", "1"});
       Client slow = stuck_client(context, 100'000);
       std::vector<Client> waiting = asking_clients(context, 3, "/echo/waiting");
       context.server().signal(SIGTERM);
       context.wait_until_quiet();
       slow.expect_bytes(100'000);
       slow.expect_end();
       for (Client& client : waiting) client.expect_end();
       context.expect_exit_status_0();
     })},

    {.name{"P07", "without room for its threads it says so and exits with status 1"},
     .needs = need_plain_build,
     .hint{"what happens to the threads that are there already when the next cannot be made? "
           "(~thread)",
           lesson::errors},
     .scene{"I started it with -n 20000 and 512 MiB of address space.",
            "words on stderr, exit status 1, and no ready line."},
     .run = Body([](Context& context) {
       context.note("ran " + context.tested().name + " -n 20000");
       ChildProcess process(context.tested().path, {.arguments = {"-n", "20000"},
                                                    .address_space_limit = std::size_t{512} << 20,
                                                    .expect_ready = false});
       const auto status = process.wait_for_end(context.timeout());
       if (!status) context.fail("it still runs; " + describe_threads(process.pid()));
       context.expect(WIFEXITED(*status) && WEXITSTATUS(*status) == 1,
                      "it " + describe_status(*status) +
                          ". It said: " + readable(process.error_output(), 300));
       context.expect(!process.error_output().empty(), "it said nothing");
       context.expect(process.output().empty(), "it said that it was ready");
     })},

    {.name{"P08", "a client wakes a thread or two, not all of them"},
     .needs = need_proc | need_plain_build,
     .hint{"how many threads wait for the same thing, and how many does it wake?", lesson::threads},
     .scene{"With -n 40, forty clients came one after the other.",
            "its threads went to sleep ten times for each client at most."},
     .run = Body([](Context& context) {
       context.start_with({"-n", "40"});
       answered_clients(context, 1);
       const std::uint64_t before = sleeps_of(context);
       for (int i = 0; i < 40; ++i) answered_clients(context, 1);
       const std::uint64_t count = sleeps_of(context) - before;
       context.expect(count <= 400, "they went to sleep " + to_string(count) + " times");
     })},
};
