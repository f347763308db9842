// What keeps a submission from the grader, and from the others.
#include "tests/kit/containment.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "tests/grade/child.hpp"

namespace files = std::filesystem;

TEST_CASE("what is thrown in a child ends the child, and is no result") {
  Child child([]() -> std::string { throw std::runtime_error("thrown on purpose"); });
  CHECK(child.take_all() == "");
  const int status = child.wait();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
}

TEST_CASE("who has processes of his own is the first of them, and /proc shows no others") {
  Child child([]() -> std::string {
    (void)enter_empty_network();  // who is not root may do the rest only in there
    if (!can_own_processes()) return "not on this system";
    return in_own_processes([] {
      const bool shows_another = files::exists("/proc/" + std::to_string(getpid() + 1));
      return std::to_string(getpid()) + (shows_another ? " and others" : " alone");
    });
  });
  const std::string& seen = child.take_all();
  CHECK(child.wait() == 0);
  if (seen == "not on this system")
    MESSAGE(seen);
  else
    CHECK(seen == "1 alone");
}

TEST_CASE("a folder is gone with what is locked in it, and what it only links to is not") {
  const Room room(temporary_folder());
  const files::path lost = room.path() + "/lost";
  const files::path linked = room.path() + "/linked";
  for (const auto& folder : {lost / "locked" / "inner", linked}) files::create_directories(folder);
  files::create_directory_symlink(linked, lost / "link");
  for (const auto& folder : {lost / "locked" / "inner", lost / "locked", lost, linked})
    files::permissions(folder, files::perms::none);
  remove_folder(lost);
  CHECK(!files::exists(lost));
  CHECK(files::status(linked).permissions() == files::perms::none);
}

TEST_CASE("what a check needs is not hidden, whatever its folder is called") {
  const Room room(temporary_folder());
  const std::string project = room.path() + "/project";
  for (const std::string& folder :
       {project, room.path(), project + "/../project", std::string("/")})
    CHECK_THROWS_AS(refuse_to_hide({folder}, {project}), std::invalid_argument);
  for (const std::string& folder : {project + "/results", project + "s"})
    CHECK_NOTHROW(refuse_to_hide({folder}, {project}));
}

TEST_CASE("of what others may have put there, only an ordinary file is copied, and becomes ours") {
  const Room room(temporary_folder());
  const auto path = [&](const std::string& name) { return room.path() + "/" + name; };
  std::ofstream(path("file")) << "text";
  files::create_symlink("file", path("link"));
  REQUIRE(mkfifo(path("fifo").c_str(), 0600) == 0);
  for (const std::string name : {"link", "fifo", "none", "."})
    CHECK_THROWS(copy_file_of_others(path(name), path("copy-of-" + name), 0644, 4));
  CHECK_THROWS(copy_file_of_others(path("file"), path("too-large"), 0644, 3));
  copy_file_of_others(path("file"), path("copy"), 0644, 4);
  CHECK(files::status(path("copy")).permissions() == files::perms{0644});
  CHECK_THROWS(copy_file_of_others(path("file"), path("copy"), 0644, 4));  // there already
}

TEST_CASE("what the contained write to /tmp is seen by nobody else, and the project still is" *
          doctest::skip(getuid() != 0)) {
  Containment containment;
  containment.is_wanted = true;
  const Room project("/tmp");
  std::ofstream(project.path() + "/source") << "text";
  containment.unchanged = {project.path()};
  try_out(containment, project.path());
  if (!containment.hides) {
    MESSAGE("not on this system");
    return;
  }
  const Room room(project.path());
  const std::string left = "/tmp/left-by-" + std::to_string(getpid());
  const auto look = [&] {
    contain_this_process(containment, room.path());
    if (files::exists(left) || !files::exists(project.path() + "/source")) return 1;
    return std::ofstream(left).is_open() && std::ofstream(room.path() + "/own").is_open() ? 0 : 2;
  };
  for (int turn = 0; turn < 2; ++turn) CHECK(Forked(look).wait() == 0);
  CHECK(!files::exists(left));
  CHECK(files::exists(room.path() + "/own"));
}
