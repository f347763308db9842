// prefork: workers of a server on one listener.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "tests/kit/child_process.hpp"
#include "tests/kit/observe.hpp"
#include "tests/measure/client_group.hpp"
#include "tests/measure/programs.hpp"
#include "tests/measure/server.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Looks again and again, for at most so long.
bool comes_true(const std::function<bool()>& condition, milliseconds timeout = seconds(60)) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

ChildProcess::Arguments workers_of(const std::string& server, int count) {
  return {program("prefork"), "-w", std::to_string(count), "-p", "0", program(server), "-t", "60"};
}

std::vector<pid_t> workers(const ChildProcess& supervisor) {
#ifdef __linux__
  return children_of(supervisor.pid());
#else
  const std::string command = "pgrep -P " + std::to_string(supervisor.pid());
  FILE* output = popen(command.c_str(), "r");
  REQUIRE(output != nullptr);
  std::vector<pid_t> found;
  for (int process; std::fscanf(output, "%d", &process) == 1;) found.push_back(process);
  pclose(output);
  return found;
#endif
}

std::size_t count(const std::string& text, const std::string& words) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(words, at)) != text.npos; ++at) ++found;
  return found;
}

std::size_t served(std::uint16_t port, std::size_t count) {
  LoadLoop loop;
  ClientGroup clients(loop, port);
  clients.ask("/echo/client-#");
  const std::size_t answered = clients.connect(count);
  CHECK(clients.failure() == "");
  return answered;
}

std::string how_it_ends(ChildProcess& process) {
  CHECK(comes_true([&] { return process.has_ended().has_value(); }));
  return process.has_ended().value_or("goes on");
}

}  // namespace

TEST_CASE("prefork: the workers share one listener, and every client is served once") {
  for (const char* server : {"event_loop", "thread_per_connection", "poll_loop"}) {
    if (!std::filesystem::exists(program(server))) continue;  // a handout may hide one
    CAPTURE(server);
    ChildProcess supervisor(workers_of(server, 3));
    const std::uint16_t port = supervisor.wait_until_ready(seconds(60));
    CHECK(workers(supervisor).size() == 3);
    CHECK(served(port, 200) == 200);
    const std::vector<long> accepted = read_counters(supervisor, 3, "accepted");
    CHECK(std::accumulate(accepted.begin(), accepted.end(), 0L) == 200);
    CHECK(supervisor.stop());
  }
}

TEST_CASE("prefork: the ready line comes once, when all workers are ready") {
  // A worker that takes its time: the line must wait for it.
  ChildProcess supervisor({program("prefork"), "-w", "2", "-p", "0", "sh", "-c",
                           "sleep 0.3; exec " + program("event_loop")});
  const auto start = std::chrono::steady_clock::now();
  const std::uint16_t port = supervisor.wait_until_ready(seconds(60));
  CHECK(std::chrono::steady_clock::now() - start >= milliseconds(300));
  CHECK(served(port, 4) == 4);
  CHECK(supervisor.stop());
}

TEST_CASE("prefork: two lines of one worker do not make the other one ready") {
  const std::string folder =
      std::filesystem::temp_directory_path() / ("prefork." + std::to_string(getpid()));
  ChildProcess supervisor({program("prefork"), "-w", "2", "-p", "0", "sh", "-c",
                           "if mkdir " + folder + "; then echo; echo; mkdir " + folder +
                               "/printed; exec sleep 60; fi; until test -d " + folder +
                               "/printed; do sleep 0.01; done; exit 3"});
  CHECK(how_it_ends(supervisor) == "exited with status 3");
  CHECK(supervisor.error_output().find("before all were ready") != std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST_CASE("prefork: a worker that dies is replaced, and later each time") {
  ChildProcess supervisor(workers_of("event_loop", 2));
  const std::uint16_t port = supervisor.wait_until_ready(seconds(60));
  std::vector<double> pauses;
  for (std::size_t death = 1; death <= 3; ++death) {
    // Always the newest, so that it is one and the same place that keeps losing its process.
    REQUIRE(comes_true([&] { return workers(supervisor).size() == 2; }));
    const std::vector<pid_t> before = workers(supervisor);
    kill(*std::max_element(before.begin(), before.end()), SIGKILL);
    REQUIRE(
        comes_true([&] { return count(supervisor.error_output(), "prefork: a worker") >= death; }));
    CHECK(served(port, 10) == 10);  // by the other one, meanwhile
    const std::string words = supervisor.last_words();
    CAPTURE(words);
    CHECK(words.find("was ended by signal 9") != std::string::npos);
    const std::size_t number = words.find("starts in ");
    REQUIRE(number != std::string::npos);
    pauses.push_back(std::stod(words.substr(number + 10)));
  }
  CHECK(pauses[0] < pauses[1]);
  CHECK(pauses[1] < pauses[2]);
  CHECK(comes_true([&] { return workers(supervisor).size() == 2; }));
  CHECK(supervisor.stop());
}

TEST_CASE("prefork: SIGTERM lets every answer be finished, and all end") {
  ChildProcess supervisor(workers_of("event_loop", 2));
  const std::uint16_t port = supervisor.wait_until_ready(seconds(60));
  LoadLoop loop;
  ClientGroup clients(loop, port);
  clients.connect(1);
  clients.ask("/spin/400");
  clients.start_requests(1);
  // The worker must have received the request before a signal comes.
  std::this_thread::sleep_for(milliseconds(100));
  const std::vector<pid_t> running = workers(supervisor);
  kill(supervisor.pid(), SIGTERM);
  clients.finish_requests();
  // The answer came whole; that the server closes afterwards is what it said.
  const bool answered = clients.latencies().count() == 1 ||
                        clients.failure().find("told that the server closes") != std::string::npos;
  CAPTURE(clients.failure());
  CHECK(answered);
  CHECK(how_it_ends(supervisor) == "exited with status 0");
  for (const pid_t process : running) CHECK(kill(process, 0) < 0);
}

TEST_CASE("prefork: a worker that is stopped ends with the others") {
  ChildProcess supervisor(workers_of("event_loop", 2));
  supervisor.wait_until_ready(seconds(10));
  const std::vector<pid_t> running = workers(supervisor);
  kill(running.front(), SIGSTOP);
  CHECK(supervisor.stop());
  for (const pid_t process : running) CHECK(kill(process, 0) < 0);
}

TEST_CASE("prefork: the second SIGTERM ends workers that do not heed the first") {
  ChildProcess supervisor(
      {program("prefork"), "-p", "0", "sh", "-c", "trap '' TERM; echo; exec sleep 60"});
  supervisor.wait_until_ready(seconds(10));
  kill(supervisor.pid(), SIGTERM);
  std::this_thread::sleep_for(milliseconds(100));  // or the two would be one
  kill(supervisor.pid(), SIGTERM);
  CHECK(how_it_ends(supervisor) == "exited with status 1");
}

TEST_CASE("prefork: a signal that comes while the workers start is not lost") {
  for (int i = 0; i < 20; ++i) {
    ChildProcess supervisor(workers_of("event_loop", 2));
    REQUIRE(comes_true([&] { return !workers(supervisor).empty(); }));
    kill(supervisor.pid(), SIGUSR1);
    kill(supervisor.pid(), SIGTERM);
    REQUIRE(how_it_ends(supervisor) == "exited with status 0");
  }
}

TEST_CASE("prefork: what cannot run is not run again and again") {
  ChildProcess missing({program("prefork"), "-p", "0", "/no/such/program"});
  CHECK(how_it_ends(missing) == "exited with status 1");
  CHECK(missing.error_output().find("execvp /no/such/program: ENOENT") != std::string::npos);
  ChildProcess refusing({program("prefork"), "-p", "0", program("event_loop"), "-x"});
  CHECK(how_it_ends(refusing) == "exited with status 2");
}

TEST_CASE("prefork: bad usage is one line and status 2") {
  const std::vector<ChildProcess::Arguments> all = {
      {"-w", "0", "x"}, {"-w", "many", "x"}, {"-q"}, {"-w"}, {}, {"-p", "70000", "x"}};
  for (const ChildProcess::Arguments& arguments : all) {
    ChildProcess::Arguments command{program("prefork")};
    command.insert(command.end(), arguments.begin(), arguments.end());
    ChildProcess supervisor(command);
    CHECK(how_it_ends(supervisor) == "exited with status 2");
    const std::string words = supervisor.error_output();
    CAPTURE(words);
    CHECK(std::count(words.begin(), words.end(), '\n') == 1);
  }
}
