// What the grader writes for other programs is valid, whatever is in it.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/grade/child.hpp"
#include "tests/grade/containment.hpp"
#include "tests/grade/exercise.hpp"
#include "tests/grade/report.hpp"
#include "tests/grade/self_test/build_directory.hpp"
#include "tests/grade/self_test/json.hpp"

namespace {

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

const Json& schema() {
  static const Json read = read_json(contents_of("tests/grade/result.schema.json"));
  return read;
}

// Every byte there is, and what would end a string or an element.
std::string nasty() {
  std::string text = "]]></failure></testcase> \"}\\u0000\\ %s &amp; \r\n";
  for (int byte = 0; byte < 256; ++byte) text += static_cast<char>(byte);
  return text;
}

// One check of each verdict.
Report report_of_all_kinds() {
  Report report;
  report.exercise = "offload";
  report.seconds = 1.25;
  report.is_finished = true;
  report.compiler = escaped(nasty(), 2000);
  int number = 0;
  for (const Verdict verdict : {Verdict::passed, Verdict::failed, Verdict::blocked,
                                Verdict::skipped, Verdict::inconclusive, Verdict::error}) {
    CheckReport check;
    check.id = "A0" + std::to_string(number++);
    check.title = "one that is " + std::string(word_for(verdict));
    check.points = 10;
    check.verdict = verdict;
    check.did = check.expected = check.saw = check.steps = check.hint = nasty();
    check.again = "make grade";
    report.checks.push_back(check);
  }
  return report;
}

// Elements that are closed in the order in which they were opened, and no stray < or &.
std::string mistakes_in_xml(const std::string& text) {
  std::vector<std::string> open;
  std::size_t at = 0;
  while ((at = text.find('<', at)) != text.npos) {
    const std::size_t end = text.find('>', at);
    if (end == text.npos) return "a tag without an end";
    const std::string tag = text.substr(at + 1, end - at - 1);
    if (tag.find('<') != tag.npos) return "a stray <";
    const std::string name = tag.substr(0, tag.find(' '));
    at = end;
    if (tag.front() == '?' || tag.back() == '/') continue;
    if (tag.front() != '/') {
      open.push_back(name);
    } else {
      if (open.empty() || "/" + open.back() != name) return "unexpected " + tag;
      open.pop_back();
    }
  }
  for (at = 0; (at = text.find('&', at)) != text.npos; ++at)
    if (text.substr(at, 12).find(';') == text.npos) return "a stray &";
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') return "a control character";
  return open.empty() ? "" : open.back() + " is not closed";
}

// -- the grader as a program --

// The first of the first exercise: a handout may have any.
std::string one_check() {
  const Exercise& exercise = exercises()[0];
  return std::string(exercise.points[0].id) + " " + exercise.name;
}

class Grader {
 public:
  // `script` is a shell script in the place of a student's program; "" for none at all.
  explicit Grader(const std::string& script) : room_(temporary_folder()) {
    if (script.empty()) return;
    std::ofstream(program()) << "#!/bin/sh\n" << script << "\n";
    chmod(program().c_str(), 0755);
  }
  std::string program() const { return room_.path() + "/program"; }
  std::string out() const { return room_.path() + "/result"; }
  // One that is killed clears nothing away: its folders go with ours.
  std::string command(const std::string& format) const {
    return "TMPDIR=" + room_.path() + " " + build_directory() + "/grade --build " +
           build_directory() + " --program " + program() + " --format " + format + " --out " +
           out() + " --only " + one_check() + " >/dev/null 2>&1";
  }
  std::string result_in(const std::string& format) const {
    CHECK(std::system(command(format).c_str()) == 0);
    return contents_of(out());
  }

 private:
  Room room_;
};

}  // namespace

TEST_CASE("our own JSON keeps to its schema, whatever the checks have seen") {
  const Json value = read_json(as_json(report_of_all_kinds()));
  CHECK(violations_of(schema(), value) == "");
  CHECK(value.at("score").number == 20);
  CHECK(value.at("max_score").number == 50);
  CHECK(value.at("checks").array.size() == 6);
}

TEST_CASE("a report that has nothing but a problem keeps to the schema, too") {
  Report report;
  report.exercise = "offload";
  report.problem = escaped(nasty(), 3000);
  CHECK(violations_of(schema(), read_json(as_json(report))) == "");
}

TEST_CASE("a grading that has not come to its end is the grader's fault, with a word of its own") {
  Report report = report_of_all_kinds();
  report.checks.clear();
  CHECK(!report.has_error());
  for (const char* fault : {"error", "killed"}) {
    report.fault = fault;
    CHECK(report.has_error());
    CHECK(unpacked(packed(report))->fault == fault);
  }
}

TEST_CASE("the schema can be violated") {
  Json value = read_json(as_json(report_of_all_kinds()));
  value.object["checks"].array[1].object["outcome"].string = "lucky";
  value.object["checks"].array[2].object.erase("saw");
  value.object["score"].number = 101;
  value.object["extra"] = Json();
  const std::string found = violations_of(schema(), value);
  for (const char* part : {"'lucky'", "has no saw", "too large", "should have no extra"})
    CHECK(found.find(part) != std::string::npos);
}

TEST_CASE("JUnit XML is well-formed and counts what is in it") {
  const std::string text = as_junit(report_of_all_kinds());
  CHECK(mistakes_in_xml(text) == "");
  CHECK(text.find("The compiler warns:") != std::string::npos);
  CHECK(text.find("tests=\"6\" failures=\"1\" errors=\"1\" skipped=\"2\"") != std::string::npos);
}

TEST_CASE("Gradescope: the fields of its documentation, and no secret of the grader's") {
  const Json value = read_json(as_gradescope(report_of_all_kinds()));
  CHECK(value.at("score").number == 40);  // 20 of the 50 that were not skipped
  CHECK(value.at("tests").array.size() == 6);
  for (const Json& test : value.at("tests").array) {
    const std::string& status = test.at("status").string;
    CHECK((status == "passed" || status == "failed"));
    CHECK(test.has("score") == test.has("max_score"));
  }
  CHECK(value.at("tests").array[5].at("output").string ==
        "The grader itself failed here. Tell your teacher.");
}

TEST_CASE("Classroom 50: whole numbers, hyphens, and the skipped ones left out") {
  const Json value = read_json(as_classroom50(report_of_all_kinds()));
  CHECK(value.at("schema").string == "classroom50/result/v1");
  CHECK(value.at("score").number == 20);
  CHECK(value.at("max-score").number == 50);
  CHECK(value.at("tests").array.size() == 5);
  for (const Json& test : value.at("tests").array)
    CHECK((test.has("test-name") && test.has("passed") && test.has("max-score")));
}

TEST_CASE("a report survives the way from one process to another, and half of one does not") {
  const Report report = report_of_all_kinds();
  const std::string bytes = packed(report);
  const auto back = unpacked(bytes);
  REQUIRE(back.has_value());
  CHECK(as_json(*back) == as_json(report));
  for (std::size_t length = 0; length < bytes.size(); length += 97)
    CHECK(!unpacked(bytes.substr(0, length)).has_value());
}

TEST_CASE(
    "a format that is unheard of, or has nowhere to go, is refused before anything is graded") {
  const Room room(temporary_folder());
  const std::string said = room.path() + "/said";
  for (const std::string options : {"--format json", "--format xml --out /dev/null"}) {
    const int status =
        std::system((build_directory() + "/grade --build " + build_directory() + " " + options +
                     " --only " + one_check() + " >/dev/null 2>" + said)
                        .c_str());
    CAPTURE(contents_of(said));
    CHECK(WEXITSTATUS(status) == 2);
    CHECK(contents_of(said).starts_with("grade: --format "));
  }
}

TEST_CASE("a result is there, and valid, when there is no program to grade") {
  const Grader grader("");
  const Json value = read_json(grader.result_in("json"));
  CHECK(violations_of(schema(), value) == "");
  CHECK(value.at("problem").string != "");
  CHECK(read_json(grader.result_in("gradescope")).at("score").number == 0);
  CHECK(read_json(grader.result_in("classroom50")).at("max-score").number == 100);
  CHECK(mistakes_in_xml(grader.result_in("junit")) == "");
}

TEST_CASE("a result is there, and valid, when the server says strange things and ends") {
  const Grader grader("printf '\\001\\377<![CDATA[\"}\\n'; printf '</testsuite>\\000' >&2; exit 3");
  const Json value = read_json(grader.result_in("json"));
  CHECK(violations_of(schema(), value) == "");
  CHECK(value.at("score").number == 0);
  CHECK(value.at("checks").array[0].at("outcome").string == "failed");
  CHECK(read_json(grader.result_in("gradescope")).at("score").number == 0);
  CHECK(read_json(grader.result_in("classroom50")).at("score").number == 0);
  CHECK(mistakes_in_xml(grader.result_in("junit")) == "");
}

TEST_CASE("what a server says is no heading of the grader's, and the steps are the grader's own") {
  const Grader grader(
      "printf 'x\\nWhat happened before:\\n  all well\\nHint: none\\n' >&2; exit 3");
  const Json check = read_json(grader.result_in("json")).at("checks").array[0];
  CHECK(check.at("saw").string.find("all well") != std::string::npos);
  CHECK(check.at("saw").string.find("Hint: none") != std::string::npos);
  CHECK(check.at("steps").string.find("all well") == std::string::npos);
}

TEST_CASE("what compiles a submission has the C locale, and nothing of the teacher's environment") {
  const Room room(temporary_folder());
  const std::string log = room.path() + "/environment";
  setenv("GOLDEN_SECRET", "1", 1);
  CHECK(run_bounded({"env"}, log, 10, {room.path() + "/none"}) == 0);
  unsetenv("GOLDEN_SECRET");
  const std::string seen = contents_of(log);
  CHECK(seen.find("GOLDEN_SECRET") == std::string::npos);
  CHECK(seen.find("LC_ALL=C\n") != std::string::npos);
  CHECK(seen.find("PATH=") != std::string::npos);
}

TEST_CASE("a result is there, and valid, when the server hangs and the grader is killed") {
  const Grader grader("exec sleep 30");
  // Killed as soon as there is a file: that is before the first check has ended.
  const std::string command = grader.command("json") + " & grader=$!; i=0; while [ ! -s " +
                              grader.out() +
                              " ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done; "
                              "kill -9 $grader; wait $grader 2>/dev/null; true";
  CHECK(std::system(("sh -c '" + command + "' 2>/dev/null").c_str()) == 0);
  const Json value = read_json(contents_of(grader.out()));
  CHECK(violations_of(schema(), value) == "");
  CHECK(!value.at("finished").boolean);
  CHECK(value.at("score").number == 0);
}
