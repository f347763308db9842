// herd.hpp — who wakes up when one client comes to a listener on which several processes sleep.
//
// Gives: how often they woke up in all, and how the clients were shared, for three ways to share.
//        Linux only: elsewhere there are no ways, and the report says so.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

enum class Sharing {
  one_listener,   // all sleep on the same listener: the kernel wakes everybody it can
  exclusive,      // the same with EPOLLEXCLUSIVE: it wakes one, seldom more
  listener_each,  // SO_REUSEPORT: a listener for each, and the kernel deals the clients out
};

std::string name_of(Sharing sharing);
std::vector<Sharing> sharings();

struct HerdReport {
  double clients = 0;
  double wakeups = 0;
  double most_accepted = 0;  // by one process
  std::string problem;
};

// `processes` of them, and clients that come one after the other, each when all sleep again.
HerdReport watch_herd(Sharing sharing, std::size_t processes, std::size_t clients);
