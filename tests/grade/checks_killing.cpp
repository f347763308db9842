// killing_test: the student's program is itself a test. Here it is run against right servers and
// wrong ones; a wrong one is killed when a case fails on it.
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/client.hpp"
#include "tests/kit/containment.hpp"

namespace {

namespace files = std::filesystem;

constexpr Timeout most_seconds{30};

// One run of the student's test against one server. The server stands under the same name whichever
// it is, in a folder of its own, and its size tells nothing either.
class TestRun {
 public:
  TestRun(Context& context, std::string server)
      : server_(std::move(server)),
        // One check that fails is enough, and each of the others may wait for seconds.
        test_(context.tested().path,
              {.arguments = {"--server=" + disguised(context), "--no-colors", "--abort-after=1"},
               .hand_down_listener = false,
               .expect_ready = false}) {}

  const std::string& server() const { return server_; }

  // 0: all cases pass; 1: a case fails. Fails the check if there is no such verdict.
  int verdict(Context& context) {
    const auto status = test_.wait_for_end(most_seconds);
    if (!status) context.fail("your test still runs after 30 s. " + said());
    const bool has_verdict = WIFEXITED(*status) && WEXITSTATUS(*status) <= 1;
    if (!has_verdict) context.fail("your test " + describe_status(*status) + ". " + said());
    return WEXITSTATUS(*status);
  }

  std::string said() const {
    const std::string text = test_.output() + test_.error_output();
    return "It printed:\n" + text.substr(0, 2000);
  }

 private:
  std::string disguised(const Context& context) const {
    constexpr unsigned most_padding = 256 * 1024;  // more than any bug takes
    std::string copy = room_.path() + "/server";
    files::copy_file(context.tested().build + "/" + server_, copy);
    files::resize_file(copy, files::file_size(copy) + std::random_device{}() % most_padding);
    return copy;
  }

  std::string server_;
  Room room_{temporary_folder()};
  ChildProcess test_;  // gone before the room is
};

// Side by side, because a test mostly waits, and in an order that no test can count on.
std::vector<std::unique_ptr<TestRun>> runs_on(Context& context, std::vector<std::string> servers) {
  std::shuffle(servers.begin(), servers.end(), std::random_device{});
  std::vector<std::unique_ptr<TestRun>> runs;
  for (const std::string& server : servers)
    if (files::exists(context.tested().build + "/" + server))  // a handout may hide it
      runs.push_back(std::make_unique<TestRun>(context, server));
  if (runs.empty()) throw std::runtime_error("none of the servers has been built (make beside)");
  return runs;
}

void expect_pass(Context& context, TestRun& run) {
  const int verdict = run.verdict(context);  // first, because what it said is all there then
  context.expect(verdict == 0, "on " + files::path(run.server()).filename().string() +
                                   " a case fails. " + run.said());
}

void expect_to_pass(Context& context, const std::vector<std::string>& servers) {
  for (const auto& run : runs_on(context, servers)) expect_pass(context, *run);
}

// Beside it runs a right one: to fail is no verdict unless it depends on the server.
void expect_to_kill(Context& context, const char* number) {
  context.scene(std::string("I ran your test with wrong server ") + number +
                    " and with event_loop, side by side, in an order left to chance.",
                "at least one case fails on the wrong one, and none on event_loop.");
  const std::string wrong = std::string("wrong/") + number;
  for (const auto& run : runs_on(context, {wrong, "right/event_loop"})) {
    if (run->server() == wrong)
      context.expect(
          run->verdict(context) == 1,
          "all cases pass. See for yourself:\nbuild/exercises/killing_test --server=build/" +
              wrong);
    else
      expect_pass(context, *run);
  }
}

}  // namespace

const std::vector<Check> killing_checks = {
    {.name{"V01", "your test passes event_loop, which is right"},
     .hint{"does the contract promise what your case asks for, and as fast?", lesson::first_server},
     .scene{"I ran your test with event_loop.", "every case passes."},
     .run = Body([](Context& context) { expect_to_pass(context, {"right/event_loop"}); })},

    {.name{"V02", "your test passes the other right servers"},
     .hint{"which of your cases asks for more than every server promises?", lesson::first_server},
     .run = Body([](Context& context) {
       std::vector<std::string> others;
       std::string names;
       for (const Program& program : programs()) {
         if ((program.model & concurrent & ~event_loop) == 0) continue;
         names += (others.empty() ? "" : ", ") + std::string(program.name);
         others.push_back(std::string("right/") + program.name);
       }
       context.scene("I ran your test with " + names + ".", "every case passes.");
       expect_to_pass(context, others);
     })},

    {.name{"V11", "wrong server 1 is killed"},
     .hint{"what does a client get that asks for more than any buffer holds?", lesson::writing},
     .run = Body([](Context& context) { expect_to_kill(context, "1"); })},
    {.name{"V12", "wrong server 2 is killed"},
     .hint{"in how many pieces may one request come?", lesson::reading},
     .run = Body([](Context& context) { expect_to_kill(context, "2"); })},
    {.name{"V13", "wrong server 3 is killed"},
     .hint{"how many requests may come in one piece?", lesson::reading},
     .run = Body([](Context& context) { expect_to_kill(context, "3"); })},
    {.name{"V14", "wrong server 4 is killed"},
     .hint{"which methods are served, and what is different about each?", lesson::reading},
     .run = Body([](Context& context) { expect_to_kill(context, "4"); })},
    {.name{"V15", "wrong server 5 is killed"},
     .hint{"in which ways may a client say that this was its last request?", lesson::reading},
     .run = Body([](Context& context) { expect_to_kill(context, "5"); })},
    {.name{"V16", "wrong server 6 is killed"},
     .hint{"what may a client do between its request and the answer?", lesson::leaving},
     .run = Body([](Context& context) { expect_to_kill(context, "6"); })},
    {.name{"V17", "wrong server 7 is killed"},
     .hint{"what does -t promise, and how would you get around it?", lesson::time_limits},
     .run = Body([](Context& context) { expect_to_kill(context, "7"); })},
    {.name{"V18", "wrong server 8 is killed"},
     .hint{"where does the next request begin?", lesson::refusing},
     .run = Body([](Context& context) { expect_to_kill(context, "8"); })},
    {.name{"V19", "wrong server 9 is killed"},
     .hint{"what has one client to do with another?", lesson::one_at_a_time},
     .run = Body([](Context& context) { expect_to_kill(context, "9"); })},
    {.name{"V20", "wrong server 10 is killed"},
     .hint{"what is promised for SIGTERM?", lesson::stopping},
     .run = Body([](Context& context) { expect_to_kill(context, "10"); })},
};
