// server.hpp — one server, running: one of ours, a floor, or nginx; alone, or with its clients.
// Whatever is measured is measured on one of these, by the demo one after the other, by the
// experiments all at once.
//
// Gives: the process and its port; its clients, and what went wrong, in words. What does not start
//        throws StartFailed.
// Do:    look whether nginx is installed before you start it. Put every piece of work on a server
//        into failure_of(): a server that fails is shown as failed, and the others go on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/kit/child_process.hpp"
#include "tests/kit/reading.hpp"
#include "tests/kit/servers.hpp"
#include "tests/measure/client_group.hpp"

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

// A server did not do its work.
struct WorkFailed {
  std::string reason;
};

// What the workers of prefork say at SIGUSR1, "accepted 12 open 3 requests ...": the number behind
// this word, one for each worker. Throws WorkFailed.
std::vector<long> read_counters(const ChildProcess& supervisor, std::size_t workers,
                                const std::string& word);

// Does the work; what went wrong, empty if nothing did. Throws AskedToStop.
std::string failure_of(const std::function<void()>& work);

struct ServerAtWork : Server {
  ServerAtWork(LoadLoop& loop, Server running, double its_x = 0, std::size_t most = 0)
      : Server(std::move(running)), x(its_x), most_clients(most), clients(loop, port) {}

  // Throws WorkFailed if its clients, or others of this server, have had to give up; says what
  // became of the server. Throws AskedToStop.
  void check(const std::string& work) { check(clients, work); }
  void check(const ClientGroup& group, const std::string& work);
  // The clients ask at a constant rate while one more asks for what has to be computed. Throws
  // WorkFailed.
  LoadResult rate_beside(LoadLoop& loop, const std::string& target, double rate, Nanoseconds time);
  // Lets more clients come, up to so many in all.
  void hold(std::size_t count);
  bool can_hold(std::size_t count) const { return most_clients == 0 || count <= most_clients; }
  // The clients leave, and SIGTERM. Throws WorkFailed for a server that does not end cleanly.
  void stop();
  // Waits until it has nothing left to do, a second at most: what one turn leaves behind, such as
  // thousands of clients to close, must not fall into the next one's slice.
  void wait_until_quiet() const;
  ActivityReading activity() const { return read_activity(process.pid()); }
  ProcessReading reading() const { return read_process(process.pid()); }

  double x;                  // where its samples belong
  std::size_t most_clients;  // 0: as many as the machine allows
  ClientGroup clients;
  bool failed = false;
};
