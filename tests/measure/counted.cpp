#include "tests/measure/counted.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/error.hpp"
#include "tests/kit/child_process.hpp"
#include "tests/kit/reading.hpp"

namespace {

using std::chrono::milliseconds;
namespace files = std::filesystem;

// A directory that is gone when its owner is.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (files::temp_directory_path() / "measure.XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw CallFailed("mkdtemp " + name, errno);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    files::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  files::path path_;
};

// The first line of a file that contains `word`.
std::string line_with(const std::string& path, const std::string& word) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.find(word) != std::string::npos) return line;
  return "";
}

// "100.00    0.001912           0     12864           total": the fourth word is the calls.
std::uint64_t total_calls(const std::string& path) {
  std::istringstream words(line_with(path, " total"));
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

// User instructions of a whole run; 0 with a problem.
std::uint64_t instructions_of_run(const ChildProcess::Arguments& program, std::size_t clients,
                                  std::uint64_t requests, std::string& problem) {
  const TemporaryDirectory directory;
  const std::string output = directory.file("callgrind.out");
  ChildProcess::Arguments arguments{"valgrind", "-q", "--tool=callgrind",
                                    "--callgrind-out-file=" + output};
  arguments.insert(arguments.end(), program.begin(), program.end());
  ChildProcess server(arguments);
  LoadLoop loop;
  ClientGroup group(loop, server.wait_until_ready(std::chrono::seconds(20)));
  group.connect(clients);
  group.closed_loop_requests(requests);
  if (group.failed()) problem = group.failure();
  group.leave();
  server.stop();
  std::istringstream words(line_with(output, "summary:"));
  std::string label;
  std::uint64_t count = 0;
  words >> label >> count;
  if (count == 0 && problem.empty()) problem = "callgrind gave no number";
  return count;
}

// Attached, all calls of so many requests.
CallCount count_all_calls(pid_t server, ClientGroup& clients, std::uint64_t requests) {
  const TemporaryDirectory directory;
  const std::string output = directory.file("calls");
  // How often malloc and locks call depends on how many threads strace holds up at once.
  ChildProcess tracer({"strace", "-f", "-c", "-e", "trace=!mmap,munmap,mprotect,madvise,brk,futex",
                       "-o", output, "-p", std::to_string(server)});
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
  counted.calls = total_calls(output);
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

InstructionCount count_instructions(const std::string& directory, const std::string& name,
                                    bool ours, std::size_t clients, std::uint64_t few,
                                    std::uint64_t many) {
  ChildProcess::Arguments program{directory + "/" + name};
  if (ours) program.insert(program.end(), {"-p", "0", "-t", "600"});
  if (!ours) program.insert(program.end(), {"-r", "35"});
  InstructionCount counted;
  const std::uint64_t short_run = instructions_of_run(program, clients, few, counted.problem);
  const std::uint64_t long_run = instructions_of_run(program, clients, many, counted.problem);
  counted.per_request = (static_cast<double>(long_run) - static_cast<double>(short_run)) /
                        static_cast<double>(many - few);
  return counted;
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
