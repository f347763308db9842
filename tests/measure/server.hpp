// server.hpp — one server, running: one of ours, a floor, or nginx.
//
// Gives: the process and its port. What does not start throws StartFailed.
// Do:    look whether nginx is installed before you start it.
#pragma once

#include <cstdint>
#include <string>

#include "tests/kit/child_process.hpp"
#include "tests/kit/servers.hpp"

struct Server {
  std::string name;  // in tables
  ChildProcess process;
  std::uint16_t port;
};

// The program in `directory`, with more arguments if need be.
Server start_program(const std::string& directory, const std::string& name,
                     const ChildProcess::Arguments& more = {});

// One of our servers with the options that a comparison needs: any port, patience with idle
// clients, as many threads as the machine allows.
Server start_server(const std::string& directory, const Program& program,
                    const ChildProcess::Arguments& more = {});

// A backend for the servers, which takes so long.
Server start_backend(const std::string& directory, unsigned delay_milliseconds);

// The floor, answering as many bytes as the server on port `like` does, to requests as long.
Server start_floor(const std::string& directory, const std::string& name, std::uint16_t like,
                   bool new_connection_each = false);

// One worker, `return 200` with our greeting, its files in a temporary directory that is removed
// once it runs.
Server start_nginx();
