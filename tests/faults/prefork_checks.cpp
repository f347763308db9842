#include <csignal>
#include <string>
#include <vector>

#include "tests/behaviour/lessons.hpp"
#include "tests/faults/runs.hpp"
#include "tests/kit/client.hpp"

namespace {

constexpr std::size_t workers = 3;

// Has it said why it, or a worker, could not go on?
bool has_explained(const ChildProcess& supervisor) {
  const std::string said = supervisor.error_output();
  return said.find("execvp ") != said.npos || said.find("std::bad_alloc") != said.npos;
}

// One client, whom faults in its worker may cost the response.
bool is_served(Context& context) {
  try {
    Client(context).expect_echo("hello");
    return true;
  } catch (const Disturbed&) {
    return false;
  }
}

// False if it has ended instead, and has said why.
bool comes_up(Context& context) {
  ChildProcess& supervisor =
      context.start({.arguments = {"-w", std::to_string(workers)}, .expect_ready = false});
  context.eventually([&] { return supervisor.status_if_ended() || !supervisor.output().empty(); },
                     [] { return "it has printed no ready line, and has not ended either"; });
  const auto status = supervisor.status_if_ended();
  if (!status) return true;
  if (*status == 0 || !has_explained(supervisor))
    context.fail_for_certain("it " + describe_status(*status) + " without saying why");
  return false;
}

void expect_end_of_all(Context& context) {
  ChildProcess& supervisor = context.server();
  supervisor.signal(SIGTERM);
  const auto status = supervisor.wait_for_end(context.timeout());
  if (!status) context.fail_for_certain("after SIGTERM it still runs");
  // A worker that could not become a server is a failure, and that is what the status says.
  if (*status != 0 && !has_explained(supervisor))
    context.fail_for_certain("after SIGTERM it " + describe_status(*status));
  // Whoever was left would hold the listener.
  if (Client::try_to_connect(context)) context.fail_for_certain("a worker is left");
}

}  // namespace

const std::vector<Check> prefork_checks = {
    {.name{"P01", "prefork comes up or says why not, keeps its workers and takes them with it"},
     .models = prefork,
     .needs = need_proc,
     .disturbed_by = breaking_faults | exhaustion_faults,
     .hint{"which calls of the supervisor may fail, and is it to end because of that?",
           lesson::stopping},
     .scene{"I started three workers, event_loop each, was served, killed one worker after "
            "another, was served each time, and sent SIGTERM.",
            "each worker is replaced, and with the supervisor all workers end."},
     .run = Body([](Context& context) {
       const auto served = [&] { return is_served(context); };
       const auto nobody = [] { return "nobody is served"; };
       if (comes_up(context)) {
         context.eventually(served, nobody);
         for (std::size_t i = 0; i < workers; ++i) {
           context.expect_replacement();
           context.eventually(served, nobody);
         }
         expect_end_of_all(context);
       }
       context.forget_server();
     })},
};
