#include "tests/measure/counted.hpp"

#include <array>
#include <cstdio>
#include <sstream>
#include <thread>

#include "tests/kit/child_process.hpp"
#include "tests/kit/reading.hpp"

namespace {

using std::chrono::milliseconds;

// "100.00    0.001912           0     12864           total": the fourth word is the calls.
std::uint64_t total_calls(const std::string& table) {
  const std::size_t end = table.find(" total");
  const std::size_t line = end == table.npos ? end : table.rfind('\n', end);
  if (line == table.npos) return 0;
  std::istringstream words(table.substr(line));
  std::string share, seconds, each;
  std::uint64_t calls = 0;
  words >> share >> seconds >> each >> calls;
  return calls;
}

bool wait_until(bool (*state)(pid_t), pid_t server) {
  for (int i = 0; i < 500; ++i) {
    if (state(server)) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

// Attached, all calls of so many requests.
CallCount count_all_calls(pid_t server, ClientGroup& clients, std::uint64_t requests) {
  // How often malloc and locks call depends on how many threads strace holds up at once.
  ChildProcess tracer({"strace", "-q", "-f", "-c", "-e",
                       "trace=!mmap,munmap,mprotect,madvise,brk,futex", "-p",
                       std::to_string(server)});
  CallCount counted;
  // Asleep: each thread has gone back into its call after strace's interruption, and is counted.
  if (!wait_until(is_traced, server) || !wait_until(is_asleep, server)) {
    counted.problem = "strace could not attach: " + tracer.last_words();
    return counted;
  }
  counted.responses = clients.closed_loop_requests(requests).responses;
  // An answer is here before strace has seen the end of the send that brought it, and a thousand
  // threads are a thousand such sends.
  if (!wait_until(is_asleep, server)) {
    counted.problem = "the server does not come to rest, so its calls cannot all be counted";
    return counted;
  }
  tracer.stop();  // it lets go of the server, and then writes its table
  counted.calls = total_calls(tracer.error_output());
  if (counted.calls == 0) counted.problem = "strace gave no number: " + tracer.last_words();
  return counted;
}

}  // namespace

CallCount count_calls(pid_t server, ClientGroup& clients, std::uint64_t requests) {
  CallCount few = count_all_calls(server, clients, requests);
  if (!few.problem.empty() || clients.failed()) return few;
  CallCount many = count_all_calls(server, clients, 2 * requests);
  if (many.calls <= few.calls && many.problem.empty()) many.problem = "strace missed some calls";
  many.calls -= few.calls;
  many.responses -= few.responses;
  return many;
}

double rate_of_wrk(std::uint16_t port, std::size_t clients, unsigned seconds) {
  const std::string command = "wrk -t1 -c" + std::to_string(clients) + " -d" +
                              std::to_string(seconds) +
                              " http://127.0.0.1:" + std::to_string(port) + "/row 2>&1";
  FILE* output = popen(command.c_str(), "r");
  if (output == nullptr) return 0;
  double rate = 0;
  std::array<char, 256> line;
  while (fgets(line.data(), static_cast<int>(line.size()), output) != nullptr)
    (void)std::sscanf(line.data(), "Requests/sec: %lf", &rate);
  return pclose(output) == 0 ? rate : 0;
}
