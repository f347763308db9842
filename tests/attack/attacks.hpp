// attacks.hpp — the classic bad clients, as a table.
//
// Gives: for each a name, what it does, and the function that does it.
// Do:    run it in a process of its own and kill that afterwards: an attack holds its connections
//        until its time is up, and does not tidy up.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

struct Target {
  std::uint16_t port;
  std::chrono::steady_clock::time_point until;

  bool goes_on() const { return std::chrono::steady_clock::now() < until; }
};

struct Attack {
  const char* name;
  const char* what;
  bool few_descriptors;  // the server may have 64 only
  void (*run)(const Target&);
};

std::span<const Attack> attacks();
