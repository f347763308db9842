#include "tests/measure/server.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "common/error.hpp"
#include "tests/kit/containment.hpp"
#include "tests/kit/interruption.hpp"
#include "tests/kit/sockets.hpp"

namespace {

std::string nginx_configuration(const std::string& directory, std::uint16_t port) {
  std::ostringstream text;
  text << "daemon off; master_process off; worker_processes 1;\n"
       << "pid " << directory << "/pid; error_log stderr;\n"
       << "events { worker_connections 4096; }\n"
       << "http {\n  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;\n";
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
    text << "  " << kind << "_temp_path " << directory << "/" << kind << ";\n";
  text << "  server {\n    listen 127.0.0.1:" << port << " backlog=4096;\n"
       << "    location / { return 200 \"Hello. This server is waiting for you.\\n\"; }\n  }\n}\n";
  return text.str();
}

// A port that was free a moment ago, for a program that cannot be told to choose one.
std::uint16_t free_port() {
  return local_port(listen_on("127.0.0.1", 0).fd());
}

// Does whoever listens there give a whole answer to /?
bool answers(std::uint16_t port) {
  LoadLoop loop;
  ClientGroup client(loop, port);
  client.timeout(std::chrono::seconds(1));
  return client.connect(1) == 1;
}

}  // namespace

Server start_program(const std::string& directory, const std::string& name,
                     const ChildProcess::Arguments& more) {
  const std::string program = directory + "/" + name;
  if (access(program.c_str(), X_OK) != 0) throw StartFailed(program + " is missing: make it");
  ChildProcess::Arguments arguments{program};
  arguments.insert(arguments.end(), more.begin(), more.end());
  ChildProcess process(arguments);
  const std::uint16_t port = process.wait_until_ready(std::chrono::seconds(5));
  return {name, std::move(process), port};
}

Server start_server(const std::string& directory, const Program& program,
                    const ChildProcess::Arguments& more) {
  ChildProcess::Arguments arguments{"-p", "0", "-t", "600"};
  if (program.thread_each) arguments.insert(arguments.end(), {"-n", "1000000"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return start_program(directory, program.name, arguments);
}

Server start_backend(const std::string& directory, unsigned delay_milliseconds) {
  return start_server(directory, program_of(slow_backend),
                      {"-d", std::to_string(delay_milliseconds)});
}

Server start_floor(const std::string& directory, const std::string& name, std::uint16_t like,
                   bool new_connection_each) {
  LoadLoop loop;
  ClientGroup client(loop, like);
  if (new_connection_each) client.new_connection_each();
  client.connect(1);
  if (client.failed()) throw StartFailed("the server to compare with fails: " + client.failure());
  ChildProcess::Arguments more{"-l", std::to_string(client.response_bytes()), "-r",
                               std::to_string(client.request_bytes())};
  if (new_connection_each) more.push_back("-c");
  return start_program(directory, name, more);
}

Server start_nginx() {
  const Room room(std::filesystem::temp_directory_path());
  const std::uint16_t port = free_port();
  const std::string configuration = room.path() + "/nginx.conf";
  std::ofstream(configuration) << nginx_configuration(room.path(), port);
  ChildProcess process({"nginx", "-p", room.path(), "-c", configuration});
  bool ready = false;
  for (int i = 0; i < 100 && !ready && !process.has_ended(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ready = answers(port);
  }
  if (!ready) throw StartFailed("nginx did not start: " + process.last_words());
  return {"nginx", std::move(process), port};
}

std::vector<long> read_counters(const ChildProcess& supervisor, std::size_t workers,
                                const std::string& word) {
  const auto all = [&] {
    std::vector<long> found;
    std::istringstream lines(supervisor.error_output());
    for (std::string line; std::getline(lines, line);) {
      const std::size_t at = line.find(word + " ");
      if (line.starts_with("accepted ") && at != line.npos)
        found.push_back(std::atol(line.c_str() + at + word.size()));
    }
    return found;
  };
  const std::size_t before = all().size();
  kill(supervisor.pid(), SIGUSR1);
  for (int i = 0; i < 1000; ++i) {
    const std::vector<long> found = all();
    if (found.size() >= before + workers)
      return {found.end() - static_cast<std::ptrdiff_t>(workers), found.end()};
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw WorkFailed{"not every worker printed its counters"};
}

std::string failure_of(const std::function<void()>& work) {
  std::string reason;
  try {
    work();
    return "";
  } catch (const WorkFailed& failure) {
    reason = failure.reason;
  } catch (const StartFailed& failure) {
    reason = failure.what();
  } catch (const CallFailed& failure) {
    reason = std::string("in this generator: ") + failure.what();
  }
  throw_if_interrupted();  // which may be all that has gone wrong
  return reason;
}

void ServerAtWork::check(const ClientGroup& group, const std::string& work) {
  throw_if_interrupted();
  if (!group.failed()) return;
  const auto end = process.has_ended();
  const std::string words = process.last_words();
  throw WorkFailed{work + ": " + group.failure() + (end ? "; the server " + *end : "") +
                   (words.empty() ? "" : "; it said: " + words)};
}

LoadResult ServerAtWork::rate_beside(LoadLoop& loop, const std::string& target, double rate,
                                     Nanoseconds time) {
  ClientGroup heavy(loop, port);
  heavy.connect(1);
  heavy.ask(target);
  heavy.start_requests(1);
  const LoadResult result = clients.constant_rate(rate, time);
  const LoadResult computed = heavy.finish_requests();
  check(heavy, target);
  check("/ beside " + target);
  if (computed.responses != 1) throw WorkFailed{target + " was not answered"};
  return result;
}

void ServerAtWork::hold(std::size_t count) {
  if (count > clients.clients()) clients.connect(count - clients.clients());
  check("connecting");
}

void ServerAtWork::stop() {
  clients.leave();
  if (!process.stop()) throw WorkFailed{"did not end cleanly at SIGTERM"};
}

void ServerAtWork::wait_until_quiet() const {
  constexpr std::uint64_t quiet = 300'000;  // nanoseconds of CPU in 20 ms
  auto before = activity().cpu_nanoseconds;
  for (int i = 0; i < 50 && before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto now = activity().cpu_nanoseconds;
    // Less than before: threads have ended, and have taken their time with them.
    if (!now || (*now >= *before && *now - *before < quiet)) return;
    before = now;
  }
}
