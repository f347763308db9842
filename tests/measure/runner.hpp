// lineup.hpp — the servers of a comparison, all running at once.
//
// A shared machine changes speed within seconds. So nobody is measured first and somebody else
// later: in each cycle every server has a short slice of load, in random order, and ratios are
// taken within a cycle (Results::ratio). While one has its slice the others sleep.
//
// Gives: start, turns and a clean end for all of them; one that fails is told and takes no further
//        part, and the others go on.
// Do:    add the same samples in every turn, one for each metric: that is what pairs them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/measure/bench/bench.hpp"
#include "tests/measure/client_group.hpp"
#include "tests/measure/contender.hpp"

// One server with its clients.
struct Runner {
  Runner(LoadLoop& loop, const BenchModel& its_model, double its_x, Contender running)
      : model(its_model), x(its_x), server(std::move(running)), clients(loop, server.port) {}
  bool can_hold(std::size_t count) const {
    return model.most_clients == 0 || count <= model.most_clients;
  }

  BenchModel model;
  double x;  // where its samples belong
  Contender server;
  ClientGroup clients;
  bool failed = false;
};

class Lineup {
 public:
  using Work = std::function<void(Runner&)>;

  explicit Lineup(Bench& bench) : bench_(bench) {}

  // Starts one more. If that fails, it is kept as the model's failure at x.
  void enter(const BenchModel& model, double x, const std::function<Contender()>& start);
  void enter(const std::vector<BenchModel>& models, const ChildProcess::Arguments& more = {});
  // Samples belong to x from now on.
  void go_to(double x);
  // Everybody who can hold so many clients, once.
  void for_each(std::size_t clients, const Work& work);
  // The same in each repeat, in a new random order.
  void take_turns(std::size_t clients, const Work& work);
  void take_turns(std::size_t clients, std::size_t repeats, const Work& work);
  // Clients leave, servers end.
  void stop();

  LoadLoop& loop() { return loop_; }
  const std::vector<std::unique_ptr<Runner>>& runners() const { return runners_; }

 private:
  void visit(Runner& runner, std::size_t clients, const Work& work);

  Bench& bench_;
  LoadLoop loop_;
  std::vector<std::unique_ptr<Runner>> runners_;
};

// Waits until a server has nothing left to do, a second at most: what one turn leaves behind, such
// as thousands of clients to close, must not fall into the next one's slice.
void wait_until_quiet(Contender& server);
