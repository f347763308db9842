// attacks.hpp — the classic bad clients, as a table, and what they leave behind.
//
// Gives: for each a name, what it does, and the function that does it; an attacker in a process of
//        its own; a look at what the server holds before and after.
// Do not: run one in this process: an attack holds its connections until its time is up, and does
//        not tidy up.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tests/kit/check.hpp"
#include "tests/kit/forked.hpp"

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

// One under way. It vanishes with all its connections when this is destroyed. Throws CallFailed.
Forked attacker(const Attack& attack, const Target& target);

struct Possessions {
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  std::size_t resident_kib = 0;
};
Possessions possessions_of(Context& context);

struct Standing {
  const char* word = "ok";
  std::string story = {};
};

// Once the attack is over: has the server given back what it had not before, and does it rest?
Standing aftermath(Context& context, const Possessions& before);
