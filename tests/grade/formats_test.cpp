// What the grader writes for other programs is valid, whatever is in it.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>

#include "tests/grade/build_directory.hpp"
#include "tests/grade/child.hpp"
#include "tests/grade/report.hpp"
#include "tests/kit/containment.hpp"
#include "tests/kit/observe.hpp"
#include "tests/kit/proc.hpp"

namespace {

namespace files = std::filesystem;

// With its quotation marks; 0 if what stands at the beginning is no string as the grader writes it.
std::size_t length_of_string(std::string_view text) {
  std::size_t at = text.starts_with('"') ? 1 : text.size();
  while (at < text.size() && text[at] != '"') {
    std::size_t length = printable_at_begin(text.substr(at));
    if (text[at] == '\\') {
      const std::string_view escape = text.substr(at + 1, 5);
      const bool is_byte = escape.size() == 5 && escape.starts_with("u00") &&
                           escape.find_first_not_of("0123456789abcdef", 1) == escape.npos;
      length = is_byte ? 6 : escape.find_first_of("\"\\n") == 0 ? 2 : 0;
    }
    at = length == 0 ? text.size() : at + length;
  }
  return at < text.size() ? at + 1 : 0;
}

// First its shape: {"a": [1, "b"]} is {s:[v,s]}. Then whatever has only values in it becomes one,
// until there is no other.
bool is_json(std::string_view rest) {
  static const std::regex word("-?(0|[1-9][0-9]*)(\\.[0-9]+)?|true|false");
  static const std::regex whole("\\[([sv](,[sv])*)?\\]|\\{(s:[sv](,s:[sv])*)?\\}");
  std::string shape;
  while (!rest.empty()) {
    const std::size_t string = length_of_string(rest);
    const std::size_t length = std::min(rest.find_first_of("[]{}:,\" \n"), rest.size());
    if (string > 0)
      shape += 's';
    else if (length > 0)
      shape += std::regex_match(std::string(rest.substr(0, length)), word) ? 'v' : '?';
    else if (rest.front() != ' ' && rest.front() != '\n')
      shape += rest.front();
    rest.remove_prefix(std::max({string, length, std::size_t{1}}));
  }
  for (std::string before; before != shape;) {
    before = shape;
    shape = std::regex_replace(before, whole, "v");
  }
  return shape == "s" || shape == "v";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

// The grader's JSON has a line for each member, and so has its schema. The result's own members
// begin behind two spaces, those of its checks behind six.
constexpr std::size_t own = 2;
constexpr std::size_t of_checks = 6;

// All that stands there behind this name, or all names, with commas between them.
std::string members(const std::string& json, std::size_t spaces, const std::string& name = {}) {
  std::string found;
  std::istringstream lines(json);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find("\": ");
    if (line.find('"') != spaces || colon == line.npos) continue;
    if (line.ends_with(',')) line.pop_back();
    const std::string its_name = line.substr(spaces, colon + 1 - spaces);
    if (!name.empty() && its_name != '"' + name + '"') continue;
    found += (found.empty() ? "" : ",") + (name.empty() ? its_name : line.substr(colon + 3));
  }
  return found;
}

// Of what JSON Schema can say, ours is held to its names and outcomes: a result has all names that
// are required, in their order, and no others.
bool keeps_to_schema(const std::string& json) {
  const std::string schema = text_of("tests/grade/result.schema.json");
  std::string names;
  std::istringstream outcomes(members(json, of_checks, "outcome"));
  for (std::string outcome; std::getline(outcomes, outcome, ',');) {
    if (!has(members(schema, 10, "outcome"), outcome)) return false;
    names += (names.empty() ? "" : ",") + members(schema, 10);
  }
  return is_json(json) && members(json, own) == members(schema, 4) &&
         members(json, of_checks) == names;
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

class Grader {
 public:
  // `script` is a shell script in the place of a student's program; "" for none at all.
  explicit Grader(const std::string& script) : room_(temporary_folder()) {
    files::create_directory(temporary());
    if (script.empty()) return;
    std::ofstream(program()) << "#!/bin/sh\n" << script << "\n";
    chmod(program().c_str(), 0755);
  }
  std::string program() const { return room_.path() + "/program"; }
  std::string out() const { return room_.path() + "/result"; }
  std::string temporary() const { return room_.path() + "/temporary"; }
  std::string command(const std::string& format) const {
    return "exec env TMPDIR=" + temporary() + " " + build_directory() + "/grade --build " +
           build_directory() + " --program " + program() + " --format " + format + " --out " +
           out() + " --only " + one_check() + " >/dev/null 2>&1";
  }
  std::string result_in(const std::string& format) const {
    CHECK(std::system(command(format).c_str()) == 0);
    return text_of(out());
  }

 private:
  Room room_;
};

// A result with no point, in all formats.
void expect_nothing(const Grader& grader) {
  const std::string json = grader.result_in("json");
  CHECK(keeps_to_schema(json));
  CHECK(members(json, own, "score") == "0");
  CHECK(members(grader.result_in("gradescope"), own, "score") == "0.000");
  CHECK(mistakes_in_xml(grader.result_in("junit")) == "");
}

// The number that somebody writes into the file; 0 if nobody does within ten seconds.
pid_t number_in(const std::string& path) {
  pid_t number = 0;
  for (int tries = 0; tries < 1000 && number == 0; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::ifstream(path) >> number;
  }
  return number;
}

}  // namespace

TEST_CASE("our own JSON keeps to its schema, whatever the checks have seen") {
  const std::string json = as_json(report_of_all_kinds());
  CHECK(keeps_to_schema(json));
  CHECK(members(json, own, "score") == "10");
  CHECK(members(json, own, "max_score") == "40");
  CHECK(members(json, of_checks, "score") == "10,0,0,0,0,0");
}

TEST_CASE("a report that has nothing but a problem keeps to the schema, too") {
  Report report;
  report.exercise = "offload";
  report.problem = escaped(nasty(), 3000);
  CHECK(keeps_to_schema(as_json(report)));
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

TEST_CASE("the schema requires all that it names, and can be violated") {
  const std::string schema = text_of("tests/grade/result.schema.json");
  CHECK(is_json(schema));
  std::string text = schema;
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  for (const std::size_t spaces : {4U, 10U})
    CHECK(has(text, "\"required\":[" + members(schema, spaces) + "]"));
  const std::string json = as_json(report_of_all_kinds());
  for (const auto& [from, to] : {std::pair("\"failed\"", "\"lucky\""),
                                 {"\"saw\"", "\"seen\""},
                                 {"  \"score\": 10,\n", ""},
                                 {"  \"score\"", "  \"s\": 1,\n  \"score\""}}) {
    std::string changed = json;
    changed.replace(changed.find(from), std::strlen(from), to);
    CHECK(!keeps_to_schema(changed));
  }
}

TEST_CASE("what is no JSON is not taken for it") {
  for (const char* text :
       {"", "{", "{\"a\": 1,}", "{\"a\" 1}", "[1 2]", "[1,]", "[nan]", "\"a\nb\"", "\"\xff\"",
        "\"\\x0000\"", "\"\\u00g0\"", "\"", "1 1", "[1}"})
    CHECK(!is_json(text));
}

TEST_CASE("what UTF-8 can show stays as it is, and all else is escaped") {
  const std::string names =
      "M\u00fcller \u0141uk\u00e1\u0161 \u03a3\u03c9 \u0418\u0432 \u738b\u5c0f\u660e "
      "\u0645\u0631\u06cc\u0645 \u0915\u094d\u200d\u0937 \U0001F600";
  CHECK(escaped(names, 500) == names);
  Report report;
  report.problem = names;
  CHECK(members(as_json(report), own, "problem") == '"' + names + '"');
  // Cut short, too long for what it says, half of a pair, a control, a turn of direction, a byte
  // that begins nothing.
  for (const std::string bad : {"\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xc2\x85", "\u202e", "\xff",
                                "\xf4\x90\x80\x80", "\x1b", "\x7f"}) {
    CHECK(printable_at_begin(bad) == 0);
    CHECK(escaped(bad, 500).find_first_not_of("\\x0123456789abcdef") == std::string::npos);
  }
  CHECK(escaped("\u00fc\u00fc", 1) == "\u00fc... (4 bytes)");
  CHECK(in_one_line("a\nb", 500) == "a\\x0ab");
}

TEST_CASE("JUnit XML is well-formed and counts what is in it") {
  const std::string text = as_junit(report_of_all_kinds());
  CHECK(mistakes_in_xml(text) == "");
  CHECK(has(text, "The compiler warns:"));
  CHECK(has(text, "tests=\"6\" failures=\"1\" errors=\"1\" skipped=\"3\""));
}

TEST_CASE("Gradescope: the fields of its documentation, and no secret of the grader's") {
  const std::string json = as_gradescope(report_of_all_kinds());
  CHECK(is_json(json));
  CHECK(members(json, own, "score") == "25.000");  // 10 of the 40 that could be judged
  CHECK(members(json, of_checks, "status") ==
        R"("passed","failed","failed","passed","passed","failed")");
  CHECK(members(json, of_checks, "score") == "10,0,0");  // where there was something to judge
  CHECK(members(json, of_checks, "max_score") == "10,10,10");
  CHECK(members(json, of_checks, "output")
            .ends_with("\"The grader itself failed here. Tell your teacher.\""));
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
    CAPTURE(text_of(said));
    CHECK(WEXITSTATUS(status) == 2);
    CHECK(text_of(said).starts_with("grade: --format "));
  }
}

TEST_CASE("a result is there, and valid, when there is no program to grade") {
  const Grader grader("");
  expect_nothing(grader);
  CHECK(members(grader.result_in("json"), own, "problem") != "\"\"");
}

TEST_CASE("a result is there, and valid, when the server says strange things and ends" *
          doctest::skip(is_without_servers())) {
  const Grader grader("printf '\\001\\377<![CDATA[\"}\\n'; printf '</testsuite>\\000' >&2; exit 3");
  expect_nothing(grader);
  CHECK(members(grader.result_in("json"), of_checks, "outcome") == "\"failed\"");
}

TEST_CASE("what a server says is no heading of the grader's, and the steps are the grader's own" *
          doctest::skip(is_without_servers())) {
  const Grader grader(
      "printf 'x\\nWhat happened before:\\n  all well\\nHint: none\\n' >&2; exit 3");
  const std::string json = grader.result_in("json");
  for (const char* words : {"all well", "Hint: none"})
    CHECK(has(members(json, of_checks, "saw"), words));
  CHECK(!has(members(json, of_checks, "steps"), "all well"));
}

TEST_CASE("what compiles a submission has the C locale, and nothing of the teacher's environment") {
  const Room room(temporary_folder());
  const std::string log = room.path() + "/environment";
  setenv("GOLDEN_SECRET", "1", 1);
  CHECK(run_bounded({"env"}, log, 10, [&] { contain_reader({}, room.path()); }) == 0);
  unsetenv("GOLDEN_SECRET");
  const std::string seen = text_of(log);
  CHECK(!has(seen, "GOLDEN_SECRET"));
  CHECK(has(seen, "LC_ALL=C\n"));
  CHECK(has(seen, "PATH="));
}

TEST_CASE("asked to stop or killed, the grader leaves a valid result, and no process or folder" *
          doctest::skip(is_without_servers())) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGKILL}) {
    CAPTURE(signal);
    const Grader grader("echo $$ >\"$0.number\"\nexec sleep 30");
    Child process([&]() -> std::string {
      (void)std::signal(signal, SIG_DFL);  // nohup, or a shell's background, may have it ignored
      execl("/bin/sh", "sh", "-c", grader.command("json").c_str(), static_cast<char*>(nullptr));
      return "";
    });
    const pid_t hanging = number_in(grader.program() + ".number");
    REQUIRE(hanging > 0);
    CHECK(!files::is_empty(grader.temporary()));
    kill(process.process(), signal);
    const int status = process.wait();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == signal);
    const std::string json = text_of(grader.out());
    CHECK(keeps_to_schema(json));
    CHECK(members(json, own, "finished") == "false");
    CHECK(members(json, own, "score") == "0");
    if (signal == SIGKILL) continue;  // nobody can clear away then; its folders go with ours
    if (tells_of_descendants()) CHECK((kill(hanging, 0) < 0 && errno == ESRCH));
    CHECK(files::is_empty(grader.temporary()));
  }
}
