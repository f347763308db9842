// prefork — more than one core: opens the listener once and runs N copies of a server on it.
//
//   build/prefork -w 2 -p 8080 build/event_loop -t 30
//
// Each copy is a process that inherits the listener as its descriptor 3, and knows nothing of the
// others. The kernel gives each new client to whichever copy accepts first; the copies share no
// memory and no lock. A copy that ends is replaced, after a pause that grows while copies keep
// ending early: a program that cannot run must not become a loop of forks.
//
// SIGTERM, SIGINT  the copies finish their answers and end, then so does this. The second signal is
//                  passed on too, and ends them at once. Exit status: 0, or 1 if a copy failed.
// SIGUSR1          is passed on: each copy prints its counters.
//
// The signals come in through a pipe, like clients: there is one place to wait, poll, and nothing
// happens inside a handler but one write.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "common/program.hpp"
#include "common/wait.hpp"

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace {

constexpr const char* usage =
    "usage: prefork [-w COPIES] [-a ADDRESS] [-p PORT] PROGRAM [ARGUMENT...]\n"
    "Opens the listener once and runs copies of a server on it.\n"
    "  -w COPIES        how many, one for each core perhaps (2)\n"
    "  -a ADDRESS       numeric address to listen on (127.0.0.1)\n"
    "  -p PORT          port to listen on; 0 lets the kernel choose (8080)\n";

constexpr int inherited = 3;  // where a server looks for its listener (sd_listen_fds(3))
constexpr int handled[] = {SIGTERM, SIGINT, SIGUSR1, SIGCHLD};

int signal_pipe[2];

void note_signal(int number) {
  const int error = errno;
  const char byte = static_cast<char>(number);
  // A full pipe holds plenty to wake us; every end of a copy is found by asking, not by counting.
  [[maybe_unused]] const ssize_t written = write(signal_pipe[1], &byte, 1);
  errno = error;
}

int open_signal_pipe() {
  if (pipe(signal_pipe) < 0) throw CallFailed("pipe", errno);
  for (const int end : signal_pipe) {
    set_nonblocking(end);
    if (fcntl(end, F_SETFD, FD_CLOEXEC) < 0) throw CallFailed("fcntl(F_SETFD)", errno, end);
  }
  struct sigaction action {};
  action.sa_handler = note_signal;
  sigfillset(&action.sa_mask);
  for (const int number : handled)
    if (sigaction(number, &action, nullptr) < 0) throw CallFailed("sigaction", errno);
  return signal_pipe[0];
}

// A new process has our handlers, and our pipe behind them, until exec. A signal of its own in
// between would look like one of ours; so it comes only when the handlers are gone.
pid_t fork_without_handlers() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t process = fork();
  const int error = errno;
  if (process == 0)
    for (const int number : handled) std::signal(number, SIG_DFL);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (process < 0) throw CallFailed("fork", error);
  return process;
}

// One of the N places. It stays when its process is replaced.
struct Copy {
  pid_t process = -1;  // -1: none runs
  Descriptor output;   // what it prints: its ready line
  bool ready = false;
  Time started;
  Time next_start;
  Clock::duration pause{};  // before its next replacement
};

class Supervisor {
 public:
  Supervisor(const Options& options, std::size_t count, char** command)
      : listener_(open_listener(options)), command_(command), copies_(count) {}

  // Leaves no copy behind, whatever has gone wrong here.
  ~Supervisor() { tell_all(SIGTERM); }
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // The exit status.
  int run() {
    for (Copy& copy : copies_) start(copy);
    while (!stopping_ || running() > 0) {
      wait();
      take_signals();
      for (Copy& copy : copies_) read_output(copy);
      reap();
      if (!stopping_) replace();
    }
    return status_;
  }

 private:
  static constexpr auto first_pause = std::chrono::milliseconds(100);
  static constexpr auto longest_pause = std::chrono::seconds(10);
  static constexpr auto proper_life = std::chrono::seconds(5);  // after it the pause is short again

  void wait() {
    std::vector<pollfd> watched{{signals_, POLLIN, 0}};
    std::optional<Time> next;
    for (const Copy& copy : copies_) {
      if (copy.output) watched.push_back({copy.output.fd(), POLLIN, 0});
      if (copy.process < 0 && !stopping_ && (!next || copy.next_start < *next))
        next = copy.next_start;
    }
    const int timeout = milliseconds_until(next, Clock::now());
    if (poll(watched.data(), static_cast<nfds_t>(watched.size()), timeout) < 0 && errno != EINTR)
      throw CallFailed("poll", errno);
  }

  void take_signals() {
    std::array<unsigned char, 64> numbers;
    const ssize_t count = read(signals_, numbers.data(), numbers.size());
    for (ssize_t i = 0; i < count; ++i) {
      const int number = numbers[static_cast<std::size_t>(i)];
      if (number == SIGCHLD) continue;  // reap() asks for all of them anyway
      if (number != SIGUSR1) stop();
      tell_all(number);
    }
  }

  void tell_all(int number) const {
    for (const Copy& copy : copies_)
      if (copy.process > 0) kill(copy.process, number);
  }

  // Without our own listener: the backlog lasts as long as somebody can still accept from it.
  void stop() {
    stopping_ = true;
    listener_ = Descriptor();
  }

  // A copy's ready line is not ours to print: ours is printed once, when all are ready.
  void read_output(Copy& copy) {
    std::array<char, 256> room;
    while (copy.output) {
      const ssize_t count = read(copy.output.fd(), room.data(), room.size());
      if (count < 0) return;
      if (count == 0) copy.output = Descriptor();
      if (count > 0 && !copy.ready) become_ready(copy);
    }
  }

  void become_ready(Copy& copy) {
    copy.ready = true;
    if (stopping_) return;
    const auto is_ready = [](const Copy& one) { return one.ready; };
    if (announced_ || !std::all_of(copies_.begin(), copies_.end(), is_ready)) return;
    announced_ = true;
    announce(listener_.fd());
  }

  void reap() {
    int status = 0;
    for (pid_t process; (process = waitpid(-1, &status, WNOHANG)) > 0;)
      for (Copy& copy : copies_)
        if (copy.process == process) on_end(copy, status);
  }

  void on_end(Copy& copy, int status) {
    const bool was_ready = copy.ready;
    const pid_t process = copy.process;
    copy.process = -1;
    copy.output = Descriptor();
    copy.ready = false;
    if (stopping_) {
      // One that we stopped before it had handlers has not failed.
      const bool as_told = !was_ready && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
      if (status != 0 && !as_told && status_ == 0) status_ = 1;
      return;
    }
    if (!was_ready && !announced_) return give_up(process, status);
    const bool early = Clock::now() - copy.started < proper_life;
    copy.pause = early ? std::min<Clock::duration>(2 * copy.pause, longest_pause) : first_pause;
    copy.next_start = Clock::now() + copy.pause;
    std::fprintf(stderr, "prefork: copy %d %s; another one starts in %.1f s\n",
                 static_cast<int>(process), how_it_ended(status).c_str(),
                 std::chrono::duration<double>(copy.pause).count());
  }

  // One that has never been ready will not be so the next time. Its status becomes ours.
  void give_up(pid_t process, int status) {
    std::fprintf(stderr, "prefork: copy %d %s before it was ready\n", static_cast<int>(process),
                 how_it_ended(status).c_str());
    status_ = WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1;
    stop();
    tell_all(SIGTERM);
  }

  void replace() {
    for (Copy& copy : copies_) {
      if (copy.process >= 0 || copy.next_start > Clock::now()) continue;
      try {
        start(copy);
      } catch (const CallFailed& failure) {  // no process or descriptor now; perhaps later
        std::fprintf(stderr, "prefork: %s\n", failure.what());
        copy.next_start = Clock::now() + longest_pause;
      }
    }
  }

  void start(Copy& copy) {
    int ends[2];
    if (pipe(ends) < 0) throw CallFailed("pipe", errno);
    copy.output = Descriptor(ends[0]);
    const Descriptor write_end(ends[1]);
    set_nonblocking(ends[0]);
    // Or a later copy would hold this one's pipe open.
    for (const int end : ends)
      if (fcntl(end, F_SETFD, FD_CLOEXEC) < 0) throw CallFailed("fcntl(F_SETFD)", errno, end);
    copy.started = Clock::now();
    if (copy.pause == Clock::duration{}) copy.pause = first_pause / 2;
    copy.process = fork_without_handlers();
    if (copy.process == 0) become_program(write_end.fd());
  }

  [[noreturn]] void become_program(int output) const {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);  // elsewhere the copies outlive us if we are killed
#endif
    // Ctrl-C in a terminal goes to a whole process group. The copies are to hear of it from us
    // only: the second SIGINT means something else to them than the first.
    setpgid(0, 0);
    unsetenv("LISTEN_PID");  // it named us
    const bool moved = listener_.fd() == inherited ? fcntl(inherited, F_SETFD, 0) == 0
                                                   : dup2(listener_.fd(), inherited) == inherited;
    if (moved && setenv("LISTEN_FDS", "1", 1) == 0 && dup2(output, STDOUT_FILENO) >= 0)
      execvp(command_[0], command_);
    std::fprintf(stderr, "prefork: %s\n",
                 describe_failure(std::string("execvp ") + command_[0], errno).c_str());
    _exit(1);
  }

  std::size_t running() const {
    return static_cast<std::size_t>(std::count_if(
        copies_.begin(), copies_.end(), [](const Copy& copy) { return copy.process > 0; }));
  }

  static std::string how_it_ended(int status) {
    return WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                               : "ended with status " + std::to_string(WEXITSTATUS(status));
  }

  Descriptor listener_;
  const int signals_ = open_signal_pipe();
  char** const command_;
  std::vector<Copy> copies_;
  bool announced_ = false;
  bool stopping_ = false;
  int status_ = 0;
};

[[noreturn]] void refuse(const std::string& reason) {
  std::fprintf(stderr, "prefork: %s (-h shows the usage)\n", reason.c_str());
  std::exit(2);
}

long number(const char* text, long least, long most) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < least || value > most)
    refuse("expected a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
           ", not '" + text + "'");
  return value;
}

int exit_status = 0;

void supervise(int argc, char** argv) {
  Options options;
  std::size_t copies = 2;
  opterr = 0;
  // Stop at PROGRAM, whose options are not ours: POSIX does, glibc wants to be asked.
#ifdef __GLIBC__
  const char* letters = "+:w:a:p:h";
#else
  const char* letters = ":w:a:p:h";
#endif
  for (int letter; (letter = getopt(argc, argv, letters)) != -1;) {
    if (letter == 'w') {
      copies = static_cast<std::size_t>(number(optarg, 1, 256));
    } else if (letter == 'a') {
      options.address = optarg;
    } else if (letter == 'p') {
      options.port = static_cast<std::uint16_t>(number(optarg, 0, 65535));
    } else if (letter == 'h') {
      std::fputs(usage, stdout);
      return;
    } else {
      refuse(letter == ':' ? std::string("-") + static_cast<char>(optopt) + " needs a value"
                           : std::string("there is no option -") + static_cast<char>(optopt));
    }
  }
  if (optind == argc) refuse("which PROGRAM?");
  exit_status = Supervisor(options, copies, argv + optind).run();
}

}  // namespace

int main(int argc, char** argv) {
  const int failure = run_program(argc, argv, supervise);
  return failure != 0 ? failure : exit_status;
}
