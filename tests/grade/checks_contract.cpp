// What every exercise keeps, whatever it is about: no client can end it, stall others, or make it
// grow; what HTTP asks is answered, and what it forbids is refused. tests/grade/contract.mk says
// what of it is asked where.
#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "tests/attack/attacks.hpp"
#include "tests/behaviour/catalogue.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/client.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Checks of the shared table, one after the other: each says what it does. Their needs are ours.
void ask_all(Context& context, std::initializer_list<std::string_view> ids) {
  for (const std::string_view id : ids)
    for (const Check& check : all_checks())
      if (check.name.id == id) context.play(check);
}

// Whether it goes on reading what it has refused is its own affair.
void send_head_without_end(Context& context) {
  context.scene("I sent up to 16 MB of fields without an empty line.",
                "less than 2 MB more memory, and an answer to the next client.");
  context.settle();
  const Memory before = context.memory();
  Client client(context);
  bool is_taken = client.try_to_send("GET / HTTP/1.1\r\nHost: x\r\n");
  const std::string field = "X-Filler: " + std::string(16'000, 'f') + "\r\n";
  for (int i = 0; i < 1000 && is_taken; ++i) is_taken = client.try_to_send(field);
  context.expect_growth_below(2048, &Memory::resident_kib, before);
  context.settle();
}

// One who has been served is served all the time. (Where each client has a thread, or a place, a
// new one may have to wait for it.)
void bear(Context& context, const Attack& attack, Client& old) {
  context.scene(
      std::string("With -t 30, all bad clients of `make attack` came, kind by kind; now: ") +
          attack.name + ", " + attack.what + ". Meanwhile a good client asked.",
      "it is answered again and again.");
  const auto begin = Clock::now();
  const Forked attacking =
      attacker(attack, {context.server().port(), begin + std::chrono::seconds(40)});
  // Eight rounds after the server has come to hold more than ever: the crowd has its time.
  std::size_t most = 0;
  for (int round = 0; round < 8 || Clock::now() < begin + milliseconds(120); ++round) {
    old.expect_echo("good");
    if (context.is(queue_loops) && !attack.few_descriptors) {
      Client(context).expect_echo("good");
    }
    std::this_thread::sleep_for(milliseconds(5));
    const std::size_t held = context.descriptors();
    if (held > most && Clock::now() < begin + std::chrono::seconds(3)) round = 0;
    most = std::max(most, held);
  }
}

void bear_all(Context& context, bool few_descriptors) {
  // A good client is not silent for so many seconds, on any machine.
  context.start({.arguments = {"-t", "30"}, .descriptor_limit = few_descriptors ? 64U : 0U});
  context.settle();
  const Possessions before = possessions_of(context);
  {
    Client old(context);
    old.expect_echo("good");
    for (const Attack& attack : attacks())
      if (attack.few_descriptors == few_descriptors) bear(context, attack, old);
  }
  context.scene("With -t 30, all bad clients of `make attack` came, kind by kind, and were gone.",
                "a new client is answered, nothing of them is left, and the server sleeps.");
  Client(context).expect_echo("good");
  if (context.sanitizers().any()) return;  // they keep what has been freed
  const Standing standing = aftermath(context, before);
  context.expect(std::string_view(standing.word) == "ok",
                 std::string(standing.word) + ": " + standing.story);
}

}  // namespace

const std::vector<Check> contract_checks = {
    {.name{"Z01", "the contract: no bad client ends it, stalls others, or makes it grow"},
     .needs = need_proc,
     .hint{"what does such a client do to the calls that you make for it: recv, send, accept?",
           lesson::attacks},
     .run = Body([](Context& context) {
       bear_all(context, false);
       bear_all(context, true);
     })},

    {.name{"Z02", "the contract: what HTTP asks is answered, what it forbids is refused"},
     .needs = need_proc | need_sockets,
     .hint{"which rule is that, and where is it looked at?", lesson::refusing},
     .run = Body([](Context& context) {
       ask_all(context, {"B03", "B04", "B25", "B32", "B38", "C18", "D03", "B16"});
       send_head_without_end(context);
       ask_all(context, {"C12"});
     })},

    {.name{"Z03", "the contract: silence, a request and an answer have their time"},
     .needs = need_sockets,
     .hint{"what is the client doing, since when, and who looks at the clock?",
           lesson::time_limits},
     .run = Body([](Context& context) {
       ask_all(context, {"T01", "T03", "T04"});
     })},
};
