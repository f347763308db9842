#include "tests/kit/child_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#endif

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string_view>
#include <thread>

#include "common/error.hpp"
#include "common/program.hpp"
#include "tests/kit/forked.hpp"
#include "tests/kit/sockets.hpp"

extern char** environ;  // environ(7): no header has to declare it, and macOS' does not

namespace {

constexpr std::chrono::milliseconds tick{1};
constexpr int handed_down = 3;  // SD_LISTEN_FDS_START

void close_on_exec(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) throw CallFailed("fcntl(F_SETFD)", errno, fd);
}

Descriptor make_listener(const Launch& launch) {
  Descriptor listener(socket(AF_INET, SOCK_STREAM, 0));
  if (!listener) throw CallFailed("socket", errno);
  close_on_exec(listener.fd());
  if (launch.small_buffers) {
    const int least = 1;  // the kernel raises it to its minimum; accepted sockets inherit it
    (void)setsockopt(listener.fd(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw CallFailed("bind", errno, listener.fd());
  if (listen(listener.fd(), launch.backlog) < 0) throw CallFailed("listen", errno, listener.fd());
  return listener;
}

// All that the child needs, made ready before fork: between fork and exec only the calls that
// signal-safety(7) lists are allowed.
struct Prepared {
  std::vector<std::string> words;
  std::vector<std::string> settings;
  std::vector<char*> argv;
  std::vector<char*> envp;
};

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

void prepare(Prepared& prepared, const std::string& program, const Launch& launch) {
  prepared.words.push_back(program);
  for (const std::string& word : launch.arguments) prepared.words.push_back(word);

  std::map<std::string, std::string> settings;
  const auto set = [&settings](const std::string& setting) {
    settings[setting.substr(0, setting.find('='))] = setting;
  };
  for (char** setting = environ; *setting != nullptr; ++setting) set(*setting);
  settings.erase("LISTEN_FDS");
  settings.erase("LISTEN_PID");
  if (launch.hand_down_listener) set("LISTEN_FDS=1");
  for (const std::string& setting : launch.environment) set(setting);
  for (const auto& [name, setting] : settings) prepared.settings.push_back(setting);

  prepared.argv = pointers_to(prepared.words);
  prepared.envp = pointers_to(prepared.settings);
}

void limit(int resource, std::size_t most) {
  const rlimit both{static_cast<rlim_t>(most), static_cast<rlim_t>(most)};
  // The type of the first parameter differs between C libraries.
  if (setrlimit(static_cast<decltype(RLIMIT_NOFILE)>(resource), &both) < 0) _exit(126);
}

// As fork(2) does it, the child is process 1 of a PID namespace of its own, as in a container.
pid_t fork_first_process() {
#ifdef __linux__
  const long child = syscall(SYS_clone, SIGCHLD | CLONE_NEWPID, 0, 0, 0, 0);
  if (child >= 0 || errno != EPERM) return static_cast<pid_t>(child);
  return static_cast<pid_t>(syscall(SYS_clone, SIGCHLD | CLONE_NEWPID | CLONE_NEWUSER, 0, 0, 0, 0));
#else
  errno = ENOSYS;
  return -1;
#endif
}

[[noreturn]] void become(const Prepared& prepared, const Launch& launch, int listener, int output,
                         int error_output) {
  for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGPIPE, SIGCHLD})
    std::signal(number, SIG_DFL);
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing < 0) _exit(126);
  // dup2 of a descriptor onto itself would leave close-on-exec set; moving the originals out of
  // the way first rules that out.
  const int first_free = fcntl(output, F_DUPFD, 10);
  const int second_free = fcntl(error_output, F_DUPFD, 10);
  const int third_free = listener < 0 ? -1 : fcntl(listener, F_DUPFD, 10);
  dup2(nothing, STDIN_FILENO);
  dup2(first_free, STDOUT_FILENO);
  dup2(second_free, STDERR_FILENO);
  if (third_free >= 0) dup2(third_free, handed_down);
  close(first_free);
  close(second_free);
  if (third_free >= 0) close(third_free);
  // What the tester has inherited without close-on-exec would leave gaps in the numbers.
  for (int fd = handed_down + (listener < 0 ? 0 : 1); fd < 1024; ++fd) close(fd);
  constexpr int first_occupied = 20;  // the server's own descriptors fit below
  for (int fd = first_occupied; fd < launch.occupied_below; ++fd)
    if (dup2(STDIN_FILENO, fd) < 0) _exit(126);

  limit(RLIMIT_CORE, 0);
  if (launch.file_size_limit > 0) limit(RLIMIT_FSIZE, launch.file_size_limit);
  if (launch.descriptor_limit > 0) limit(RLIMIT_NOFILE, launch.descriptor_limit);
  if (launch.address_space_limit > 0) limit(RLIMIT_AS, launch.address_space_limit);
  if (launch.stack_limit > 0) limit(RLIMIT_STACK, launch.stack_limit);
  sigset_t blocked;
  sigfillset(&blocked);
  if (launch.signals_blocked) sigprocmask(SIG_SETMASK, &blocked, nullptr);
  for (const int fd : launch.closed) close(fd);
  execve(prepared.argv[0], prepared.argv.data(), prepared.envp.data());
  constexpr std::string_view words = "this program cannot be started (execve failed)\n";
  (void)!write(STDERR_FILENO, words.data(), words.size());
  _exit(127);
}

}  // namespace

ChildProcess::ChildProcess(const std::string& program, const Launch& launch) {
  run(program, launch);
  if (launch.expect_ready) wait_until_ready(default_timeout * 2);
}

ChildProcess::ChildProcess(const Arguments& words, int listener, const Arguments& environment) {
  Launch launch;
  launch.arguments.assign(words.begin() + 1, words.end());
  launch.environment = environment;
  launch.hand_down_listener = false;
  launch.listener = listener;
  launch.file_size_limit = 0;
  const bool is_path = words[0].find('/') != std::string::npos;
  run(is_path ? words[0] : find_on_path(words[0]), launch);
}

void ChildProcess::run(const std::string& program, const Launch& launch) {
  Prepared prepared;
  prepare(prepared, program, launch);
  Descriptor listener;
  if (launch.hand_down_listener && launch.listener < 0) {
    listener = make_listener(launch);
    port_ = local_port(listener.fd());
  }
  const int handed = launch.listener >= 0 ? launch.listener : listener.fd();
  const int output = launch.output >= 0 ? launch.output : output_.fd();
  const int error_output = launch.error_output >= 0 ? launch.error_output : error_output_.fd();

  process_ = Forked([&]() -> int { become(prepared, launch, handed, output, error_output); },
                    launch.first_process ? fork_first_process : fork);
}

std::uint16_t ChildProcess::wait_until_ready(Timeout timeout) {
  const std::string before_port = std::string(ready_words) + "http://127.0.0.1:";
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::string line;
  while (line.find('\n') == std::string::npos) {
    if (const auto end = has_ended())
      throw StartFailed("It " + *end +
                        " instead of printing its ready line. It said: " + error_output());
    if (std::chrono::steady_clock::now() > deadline)
      throw StartFailed("It runs, but has not printed its ready line. It printed '" + line +
                        "' on stdout. (A line that is not flushed stays inside the program.)");
    std::this_thread::sleep_for(tick);
    line = output();
  }
  line.resize(line.find('\n'));
  std::uint16_t announced = 0;
  if (line.starts_with(before_port))
    std::from_chars(line.data() + before_port.size(), line.data() + line.size(), announced);
  if (announced == 0 || line != before_port + std::to_string(announced) + "/")
    throw StartFailed("Its ready line is '" + line + "', not '" + before_port + "PORT/'.");
  if (port_ != 0 && port_ != announced)
    throw StartFailed("It was handed a listener on port " + std::to_string(port_) +
                      " and says that it listens on " + std::to_string(announced) + ".");
  return port_ = announced;
}

void ChildProcess::signal(int number) {
  if (status_if_ended()) return;  // who has ended already was not asked to
  if (number == SIGTERM || number == SIGINT) ++stops_asked_;
  if (kill(pid(), number) < 0) throw CallFailed("kill", errno);
}

void ChildProcess::stop_running() {
  signal(SIGSTOP);
  const auto deadline = std::chrono::steady_clock::now() + default_timeout;
  // The kernel reports the stop when the last of its threads has stopped.
  while (!status_if_ended()) {
    siginfo_t stopped{};
    if (waitid(P_PID, static_cast<id_t>(pid()), &stopped, WSTOPPED | WNOHANG) == 0 &&
        stopped.si_pid == pid())
      return;
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("the server could not be stopped with SIGSTOP");
    std::this_thread::sleep_for(tick);
  }
}

void ChildProcess::run_on() {
  signal(SIGCONT);
}

std::optional<int> ChildProcess::wait_for_end(Timeout timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!status_if_ended() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(tick);
  return status_if_ended();
}

bool ChildProcess::stop(Timeout timeout) {
  signal(SIGTERM);
  if (const auto status = wait_for_end(timeout)) return status == 0;
  signal(SIGKILL);
  wait_for_end(std::chrono::seconds(5));
  return false;
}

std::optional<std::string> ChildProcess::has_ended() {
  if (!status_if_ended()) return std::nullopt;
  return describe_status(*status_if_ended());
}

std::string ChildProcess::output() const {
  return first_bytes(output_.fd());
}
std::string ChildProcess::error_output() const {
  return first_bytes(error_output_.fd());
}

std::string ChildProcess::last_words() const {
  std::string text = error_output();
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

std::string describe_status(int status) {
  if (WIFEXITED(status)) return "exited with status " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status))
    return "was killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
           strsignal(WTERMSIG(status)) + ")";
  return "ended in an unknown way";
}

std::string find_on_path(const std::string& program) {
  const char* const path = std::getenv("PATH");
  std::istringstream places(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string place; std::getline(places, place, ':');)
    if (access(place.append("/").append(program).c_str(), X_OK) == 0) return place;
  return "";
}

Sanitizers sanitizers_in(const std::string& program) {
  static std::map<std::string, Sanitizers> known;  // reading megabytes once is enough
  if (const auto found = known.find(program); found != known.end()) return found->second;
  std::ifstream file(program, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto holds = [&bytes](const char* symbol) {
    return bytes.find(symbol) != std::string::npos;
  };
  const Sanitizers found{.address = holds("__asan_init"),
                         .thread = holds("__tsan_init"),
                         .undefined = holds("__ubsan_handle")};
  known[program] = found;
  return found;
}
