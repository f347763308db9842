// A class of odd folders, none of which costs a compiler.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/grade/build_directory.hpp"
#include "tests/grade/exercise.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/containment.hpp"
#include "tests/kit/proc.hpp"

namespace files = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

class Class {
 public:
  Class() : room_(build_directory()) {}

  void hands_in(const std::string& student, const std::string& file, std::size_t size = 1) const {
    const files::path path = files::path(room_.path()) / "class" / student / file;
    files::create_directories(path.parent_path());
    std::ofstream(path) << std::string(size, ' ');
  }
  void grade() {
    const std::string command = build_directory() + "/grade class " + room_.path() +
                                "/class --out " + path("results") + " --build " +
                                build_directory() + " >" + path("said") + " 2>&1";
    CHECK(std::system(command.c_str()) == 0);
  }
  bool has(const std::string& file, const std::string& text) const {
    return text_of(path(file)).find(text) != std::string::npos;
  }
  bool says(const std::string& text) const { return has("said", text); }
  bool sums_up(const std::string& text) const { return has("results/summary.csv", text); }

 private:
  std::string path(const std::string& file) const { return room_.path() + "/" + file; }
  const Room room_;
};

}  // namespace

TEST_CASE("fifteen names from around the world are in the summary as they are") {
  const Strings names = {"Müller, Jörg", "Łukasz Żółć",   "O'Brien",        "Nguyễn Thị Ánh",
                         "王小明",       "田中 さくら",   "김민준",         "محمد علي",
                         "שרה כהן",      "Иван Петров",   "Ελένη Γεωργίου", "अनुष्का",
                         "สมชาย ใจดี",    "Sæmundur Ýmir", "İpek Şahin"};
  Class one;
  for (const std::string& name : names) one.hands_in(name, "notes.txt");
  one.grade();
  for (const std::string& name : names) {
    CAPTURE(name);
    CHECK(one.sums_up("\n\"" + name + "\",none,0,100,problem,"));
    CHECK(one.says("\n" + name));
    CHECK(one.has("results/" + name + ".none.txt", "There is: notes.txt. Looked for: "));
  }
}

TEST_CASE("names that would be something else to a terminal, a table or a file are no harm") {
  const std::string long_name = std::string(120, 'x') + std::string(131, 'y');
  Class one;
  for (const std::string& name : Strings{"line\nfeed", "=1+1", "quo\"te", "\x1b[2J", "turn\u202e",
                                         "\xff", long_name, "$(false)"})
    one.hands_in(name, "notes.txt");
  one.grade();
  for (const std::string& row : Strings{"line\\x0afeed", "'=1+1", "quo\"\"te", "\\x1b[2J",
                                        "turn\\xe2\\x80\\xae", "\\xff", long_name, "$(false)"})
    CHECK(one.sums_up("\n\"" + row + "\",none"));
  CHECK(one.says("\nline\\x0afeed"));
  CHECK(!one.says("\x1b"));
  CHECK(one.says("8 submissions, 8 results"));
}

TEST_CASE("what an archive or a system leaves beside students is none of them") {
  Class one;
  for (const char* folder : {"__MACOSX", ".git", "anna/__MACOSX"})
    one.hands_in(folder, "answers.txt");
  one.hands_in(".", "list.csv");
  one.grade();
  for (const char* name : {"not looked at:", " __MACOSX", " .git", " list.csv"})
    CHECK(one.says(name));
  CHECK(one.says("1 submissions, 1 results"));
  CHECK(one.sums_up("\n\"anna\",none,"));
}

TEST_CASE("who has handed in no file of the right name is told so") {
  const Exercise& exercise = exercises()[0];
  const std::string wanted = exercise.student_file;
  const std::string stem = wanted.substr(0, wanted.size() - 4);
  std::string upper = wanted;
  upper[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(upper[0])));
  const Strings nearly = {stem + " (1).cpp", upper, stem + "-2.cpp", wanted + ".txt"};
  Class one;
  one.hands_in("empty", "");
  for (const std::string& name : nearly) one.hands_in("with " + name, name);
  one.grade();
  CHECK(
      one.sums_up("\"empty\",none,0,100,problem,\"There is no file of any exercise in this "
                  "submission. There is: nothing. Looked for: "));
  for (const std::string& name : nearly)
    CHECK(one.sums_up("\"with " + name + "\"," + exercise.name + ",0,100,problem,\"There is no " +
                      wanted + ", but " + name));
  CHECK(!one.has("results/histogram.txt", "none"));
}

TEST_CASE("a file of answers that could not be one is a problem, and another one is graded") {
  Class one;
  one.hands_in("large", "answers.txt", 2'000'000);
  one.hands_in("little", "answers.txt");
  one.grade();
  CHECK(one.sums_up("\"large\",quiz,0,100,problem,"));
  CHECK(one.sums_up("\"little\",quiz,0,"));
}

TEST_CASE("where nobody can connect, the grader says so, and no program is to blame") {
  const std::string command = "unshare -rn true 2>/dev/null || exit 9; unshare -rn " +
                              build_directory() + "/grade --build " + build_directory() +
                              " --program /bin/false --only " + one_check() +
                              " 2>&1 | grep -q 'cannot connect to 127.0.0.1'";
  const int ended = std::system(command.c_str());
  const int status = WEXITSTATUS(ended);
  if (status == 9)
    MESSAGE("unshare does not work on this system");
  else
    CHECK(status == 0);
}

TEST_CASE("a check that fails is found by its file and line: no two have the same") {
  std::set<std::pair<std::string, unsigned>> places;
  for (const Check& check : all_grade_checks()) {
    CAPTURE(check.name.id);
    CHECK((check.run.line == 0 || places.emplace(check.run.file, check.run.line).second));
  }
}
