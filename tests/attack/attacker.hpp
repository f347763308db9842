// attacker.hpp — an attack under way, and what it leaves behind.
//
// Gives: an attacker in a process of its own, which vanishes with all its connections when it is
//        destroyed; a look at what the server holds before and after.
#pragma once

#include <cstddef>
#include <string>

#include "tests/attack/attacks.hpp"
#include "tests/kit/check.hpp"
#include "tests/kit/forked.hpp"

struct Standing {
  const char* word = "ok";
  std::string story = {};
};

Forked attacker(const Attack& attack, const Target& target);  // throws CallFailed

struct Possessions {
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  std::size_t resident_kib = 0;
};
Possessions possessions_of(Context& context);

// Once the attack is over: has the server given back what it had not before, and does it rest?
Standing aftermath(Context& context, const Possessions& before);
