// Edges: is the student told of changes, as the exercise asks, or of states?
#include <algorithm>
#include <vector>

#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/client.hpp"

namespace {

struct Watches {
  std::ptrdiff_t edges;
  std::ptrdiff_t levels;
};

Watches watches_of(pid_t process) {
  constexpr std::uint32_t edge = std::uint32_t{1} << 31;  // EPOLLET
  const std::vector<std::uint32_t> masks = epoll_masks_of(process);
  const auto edges = std::count_if(masks.begin(), masks.end(),
                                   [](std::uint32_t mask) { return (mask & edge) != 0; });
  return {edges, static_cast<std::ptrdiff_t>(masks.size()) - edges};
}

}  // namespace

const std::vector<Check> edge_checks = {
    {.name{"E01", "every client is watched for edges"},
     .needs = need_proc,
     .hint{"which queue does the exercise give you, and is yours told of a change or of a state?",
           lesson::being_told},
     .scene{"I looked at what is registered with epoll, before and after five clients had been "
            "answered one by one.",
            "EPOLLET in the mask of every client; how you watch the listener and what else you "
            "have is up to you."},
     .run = Body([](Context& context) {
       context.settle();
       const Watches before = watches_of(context.server().pid());
       if (before.edges + before.levels == 0 && !can_observe_epoll())
         throw Skipped{"what epoll watches cannot be seen here"};
       std::vector<Client> clients = answered_clients(context, 5);
       const Watches after = watches_of(context.server().pid());
       // A client from before may have been there still, and have gone meanwhile.
       const auto levels = after.levels - std::min(before.levels, after.levels);
       context.expect(after.edges >= 5 && levels < 5,
                      "of all masks " + std::to_string(after.edges) + " have EPOLLET; " +
                          std::to_string(levels) + " have come that have not");
     })},
};
