// Ctrl-C, while a student's program hangs.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/grade/build_directory.hpp"
#include "tests/grade/child.hpp"
#include "tests/grade/exercise.hpp"
#include "tests/kit/containment.hpp"
#include "tests/kit/observe.hpp"

namespace files = std::filesystem;

namespace {

// The number that somebody writes into the file; 0 if nobody does within ten seconds.
pid_t number_in(const std::string& path) {
  pid_t number = 0;
  for (int tries = 0; tries < 1000 && number == 0; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::ifstream(path) >> number;
  }
  return number;
}

bool is_gone(pid_t process) {
  return kill(process, 0) < 0 && errno == ESRCH;
}

}  // namespace

TEST_CASE("asked to stop, the grader ends what it has started, and leaves no folder behind" *
          doctest::skip(is_without_servers())) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    CAPTURE(signal);
    const Room room(temporary_folder());
    const std::string program = room.path() + "/program";
    const std::string number = room.path() + "/number";
    const std::string temporary = room.path() + "/temporary";
    files::create_directory(temporary);
    std::ofstream(program) << "#!/bin/sh\necho $$ >" << number << "\nexec sleep 100\n";
    chmod(program.c_str(), 0755);
    Child grader([&]() -> std::string {
      (void)std::signal(signal, SIG_DFL);  // nohup, or a shell's background, may have it ignored
      setenv("TMPDIR", temporary.c_str(), 1);
      if (std::freopen("/dev/null", "w", stdout) == nullptr) return "";
      const std::string grade = build_directory() + "/grade";
      execl(grade.c_str(), "grade", "--build", build_directory().c_str(), "--program",
            program.c_str(), "--only", exercises()[0].points[0].id, exercises()[0].name,
            static_cast<char*>(nullptr));
      return "";
    });
    const pid_t hanging = number_in(number);
    REQUIRE(hanging > 0);
    CHECK(!files::is_empty(temporary));
    kill(grader.process(), signal);
    const int status = grader.wait();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == signal);
    if (tells_of_descendants()) CHECK(is_gone(hanging));
    CHECK(files::is_empty(temporary));
  }
}
