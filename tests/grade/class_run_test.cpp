// A class of odd folders, none of which costs a compiler.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/grade/build_directory.hpp"
#include "tests/grade/containment.hpp"
#include "tests/grade/exercise.hpp"

namespace files = std::filesystem;

namespace {

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class Class {
 public:
  Class() : room_(build_directory()) {}

  void hands_in(const std::string& student, const std::string& file, std::size_t size = 1) const {
    const files::path path = files::path(room_.path()) / "class" / student / file;
    files::create_directories(path.parent_path());
    std::ofstream(path) << std::string(size, ' ');
  }
  // What the grader has said.
  std::string graded(int status = 0, const std::string& before = "") const {
    const std::string said = room_.path() + "/said";
    const std::string command = before + build_directory() + "/grade class " + room_.path() +
                                "/class --out " + results() + " --build " + build_directory() +
                                " >" + said + " 2>&1";
    CHECK(WEXITSTATUS(std::system(command.c_str())) == status);
    return contents_of(said);
  }
  std::string results() const { return room_.path() + "/results"; }
  std::string summary() const { return contents_of(results() + "/summary.csv"); }

 private:
  const Room room_;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

}  // namespace

TEST_CASE("fifteen names from around the world are in the summary as they are") {
  const std::vector<std::string> names = {
      "Müller, Jörg",   "Łukasz Żółć", "O'Brien",   "Nguyễn Thị Ánh", "王小明",
      "田中 さくら",    "김민준",      "محمد علي",  "שרה כהן",        "Иван Петров",
      "Ελένη Γεωργίου", "अनुष्का",       "สมชาย ใจดี", "Sæmundur Ýmir",  "İpek Şahin"};
  const Class one;
  for (const std::string& name : names) one.hands_in(name, "notes.txt");
  const std::string said = one.graded();
  for (const std::string& name : names) {
    CAPTURE(name);
    CHECK(has(one.summary(), "\n\"" + name + "\",none,0,100,problem,"));
    CHECK(has(said, "\n" + name));
    CHECK(files::exists(one.results() + "/" + name + ".none.txt"));
  }
}

TEST_CASE("names that would be something else to a terminal, a table or a file are no harm") {
  const Class one;
  const std::string long_name = std::string(120, 'x') + std::string(131, 'y');
  for (const std::string& name : std::vector<std::string>{
           "line\nfeed", "=1+1", "quo\"te", "\x1b[2J", "turn\u202e", "\xff", long_name, "$(false)"})
    one.hands_in(name, "notes.txt");
  const std::string said = one.graded();
  const std::string summary = one.summary();
  for (const std::string& row : std::vector<std::string>{
           "\"line\\x0afeed\",none", "\"'=1+1\",none", "\"quo\"\"te\",none", "\"\\x1b[2J\",none",
           "\"turn\\xe2\\x80\\xae\",none", "\"\\xff\",none", "\"" + long_name + "\",none"})
    CHECK(has(summary, "\n" + row));
  CHECK(has(said, "\nline\\x0afeed"));
  CHECK(!has(said, "\x1b"));
  CHECK(has(said, "8 submissions, 8 results"));
}

TEST_CASE("what an archive or a system leaves beside students is none of them") {
  const Class one;
  one.hands_in("__MACOSX", "._x");
  one.hands_in(".git", "HEAD");
  one.hands_in(".", "list.csv");
  one.hands_in("anna", "__MACOSX/answers.txt");
  const std::string said = one.graded();
  CHECK(has(said, "not looked at:"));
  for (const char* name : {" __MACOSX", " .git", " list.csv"}) CHECK(has(said, name));
  CHECK(has(said, "1 submissions, 1 results"));
  CHECK(has(one.summary(), "\n\"anna\",none,"));
}

TEST_CASE("who has handed in no file is told what was there, and what is looked for") {
  const Class one;
  const std::string wanted = exercises()[0].student_file;
  const std::string stem = wanted.substr(0, wanted.size() - 4);
  one.hands_in("empty", "");
  one.hands_in("other", "essay.pdf");
  std::string upper = wanted;
  upper[0] = static_cast<char>(upper[0] - 'a' + 'A');
  for (const std::string& name : {stem + " (1).cpp", upper, stem + "-2.cpp", wanted + ".txt"})
    one.hands_in("with " + name, name);
  (void)one.graded();
  const std::string summary = one.summary();
  CHECK(has(summary,
            "\"empty\",none,0,100,problem,\"There is no file of any exercise in this "
            "submission. There is: nothing. Looked for: "));
  CHECK(has(summary, "There is: essay.pdf. Looked for: "));
  CHECK(has(summary, wanted));
  for (const std::string& name : {stem + " (1).cpp", upper, stem + "-2.cpp", wanted + ".txt"})
    CHECK(has(summary, "\"with " + name + "\"," + exercises()[0].name +
                           ",0,100,problem,\"There is "
                           "no " +
                           wanted + ", but " + name));
  CHECK(!has(contents_of(one.results() + "/histogram.txt"), "none"));
}

TEST_CASE("who has no file of answers that could be one has a problem, and the others have none") {
  const Class one;
  one.hands_in("large", "answers.txt", 2'000'000);
  one.hands_in("little", "answers.txt");
  (void)one.graded();
  CHECK(has(one.summary(), "\"large\",quiz,0,100,problem,"));
  CHECK(has(one.summary(), "\"little\",quiz,0,"));
  CHECK(has(contents_of(one.results() + "/little.quiz.txt"), "quiz"));
}

TEST_CASE("where nobody can connect, the grader says so, and no submission is to blame") {
  const Class one;
  one.hands_in("anna", "answers.txt");
  const std::string no_network = "unshare -rn true 2>/dev/null || exit 9; unshare -rn ";
  const std::string command = no_network + build_directory() + "/grade --build " +
                              build_directory() + " --program /bin/false --only " + one_check() +
                              " 2>&1 | grep -q 'cannot connect to 127.0.0.1'";
  const int status = WEXITSTATUS(std::system(command.c_str()));
  if (status == 9)
    MESSAGE("unshare does not work on this system");
  else
    CHECK(status == 0);
}
