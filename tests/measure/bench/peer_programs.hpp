// peer_programs.hpp — other people's servers, made to give our greeting on /.
//
// Gives: for each, the program to look for, and how to start it on 127.0.0.1.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/measure/contender.hpp"

struct PeerProgram {
  std::string name;                  // in tables
  std::string program;               // on the PATH
  std::string package;               // Debian's
  std::function<Contender()> start;  // throws StartFailed
};

const std::vector<PeerProgram>& peer_programs();

// HAProxy with a configuration file, once it answers on `port`. Throws StartFailed.
Contender start_haproxy(const std::string& configuration, std::uint16_t port,
                        const ChildProcess::Arguments& environment = {});
