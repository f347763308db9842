// contender.hpp — one program of a comparison, running: a server of ours, a floor, or nginx.
//
// Gives: the process and its port.
// Do:    ask nginx_is_installed() before starting it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "tests/kit/child_process.hpp"

struct Contender {
  std::string name;
  ChildProcess process;
  std::uint16_t port;
};

// The program in `directory`, with more arguments if need be. Throws StartFailed.
Contender start_contender(const std::string& directory, const std::string& name,
                          const ChildProcess::Arguments& more = {});

// One of our servers with the options that a comparison needs: port 0, patient with idle clients.
Contender start_server(const std::string& directory, const std::string& name);

// The floor, answering as many bytes as `like` answers, to requests as long as `like` was asked.
Contender start_floor(const std::string& directory, const std::string& name, std::uint16_t like,
                      bool new_connection_each = false);

// A port that was free a moment ago, for programs that cannot be told to choose one.
std::uint16_t free_port();

// Does whoever listens there give a whole answer to /?
bool answers(std::uint16_t port);

// Is there such a program on the PATH?
bool is_installed(const std::string& program);

// One worker, `return 200` with our greeting, its files in a temporary directory that is removed
// once it runs. Throws StartFailed.
Contender start_nginx();
