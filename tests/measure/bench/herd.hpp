// herd.hpp — who wakes up when one client comes to a listener on which several processes sleep.
//
// Gives: how often they woke up in all, and how the clients were shared, for three ways to share.
//        Linux only: elsewhere there are no ways.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

struct Sharing {
  std::string name;
  bool exclusive;      // EPOLLEXCLUSIVE: of those on one listener the kernel wakes one, seldom more
  bool listener_each;  // SO_REUSEPORT: a listener for each, and the kernel deals the clients out
};
std::vector<Sharing> sharings();

struct HerdReport {
  double wakeups = 0;        // for each client
  double largest_share = 0;  // of the clients, that one process accepted
};

// `processes` of them, and clients that come one after the other, each when all sleep again. Throws
// CallFailed, or WorkFailed if a client was lost.
HerdReport watch_herd(const Sharing& sharing, std::size_t processes, std::size_t clients);
