// What the grader writes for other programs is valid, whatever is in it.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string_view>

#include "tests/grade/build_directory.hpp"
#include "tests/grade/child.hpp"
#include "tests/grade/report.hpp"
#include "tests/kit/containment.hpp"

namespace {

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// JSON, flat: ".checks.1.outcome" is "\"failed\"", as it stands there. An object is "{", an array
// "[", and what is in them has a path of its own. Throws std::invalid_argument if the text is no
// JSON.
class Json {
 public:
  explicit Json(std::string_view text) : rest_(text) {
    read("");
    if (next() != '\0') complain("something follows");
  }
  bool has(const std::string& path) const { return values.count(path) > 0; }
  const std::string& at(const std::string& path) const { return values.at(path); }
  double number(const std::string& path) const { return std::strtod(at(path).c_str(), nullptr); }
  int size(const std::string& path) const {
    int count = 0;
    while (has(path + "." + std::to_string(count))) ++count;
    return count;
  }
  std::map<std::string, std::string> values;

 private:
  [[noreturn]] void complain(const std::string& what) const {
    throw std::invalid_argument(what + " before: " + std::string(rest_.substr(0, 40)));
  }
  char next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }
  bool take(char c) {
    if (next() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string take_text(std::size_t length) {
    const std::string text(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return text;
  }

  void read(const std::string& path) {
    const char begin = next();
    const std::size_t end_of_word = std::min(rest_.find_first_of(",]} \n"), rest_.size());
    std::string value(1, begin);
    if (begin == '{' || begin == '[') {
      read_all(path, begin == '{' ? '}' : ']');
    } else if (begin == '"') {
      value = take_text(length_of_string());
    } else {
      value = take_text(end_of_word);
      char* end = nullptr;
      const bool is_number = value.find_first_not_of("+-.0123456789eE") == value.npos &&
                             std::isfinite(std::strtod(value.c_str(), &end)) && *end == '\0';
      if (value.empty() || (!is_number && value != "true" && value != "false"))
        complain("no value");
    }
    if (!values.emplace(path, value).second) complain("a name that is there twice");
  }

  void read_all(const std::string& path, char end) {
    rest_.remove_prefix(1);
    if (take(end)) return;
    int count = 0;
    do {
      std::string name = std::to_string(count++);
      if (end == '}') {
        if (next() != '"') complain("a name should be");
        name = take_text(length_of_string());
        name = name.substr(1, name.size() - 2);
        if (!take(':')) complain("a colon should be");
      }
      read(path + "." + name);
    } while (take(','));
    if (!take(end)) complain(std::string("there should be ") + end);
  }

  // With its quotation marks.
  std::size_t length_of_string() const {
    for (std::size_t at = 1; at < rest_.size(); ++at) {
      const auto byte = static_cast<unsigned char>(rest_[at]);
      if (byte == '"') return at + 1;
      if (printable_at_begin(rest_.substr(at)) == 0) complain("a byte that should be escaped");
      if (byte != '\\') {
        at += printable_at_begin(rest_.substr(at)) - 1;
        continue;
      }
      const std::string_view escape = rest_.substr(++at, 5);
      const bool is_byte = escape.substr(0, 3) == "u00" &&
                           escape.find_first_not_of("0123456789abcdef", 1) == escape.npos;
      if (escape.size() < 5 ||
          (!is_byte && std::string_view("\"\\n").find(escape[0]) == escape.npos))
        complain("an escape that the grader does not write");
    }
    complain("a string without an end");
  }

  std::string_view rest_;
};

// Of what JSON Schema can say, ours is held to its names and outcomes: what is there and should not
// be, and what is missing.
std::string violations_of_schema(const Json& json) {
  static const Json schema(contents_of("tests/grade/result.schema.json"));
  std::string found;
  const auto compare = [&](const std::string& at, const std::string& rule) {
    for (int i = 0; schema.has(rule + ".required." + std::to_string(i)); ++i) {
      const std::string name = schema.at(rule + ".required." + std::to_string(i));
      if (!json.has(at + "." + name.substr(1, name.size() - 2)))
        found += at + " has no " + name + "\n";
    }
    for (const auto& [path, value] : json.values) {
      const bool is_inside = path.size() > at.size() && path.compare(0, at.size(), at) == 0;
      const std::string name = is_inside ? path.substr(at.size()) : "";
      if (!name.empty() && name.find('.', 1) == name.npos &&
          !schema.has(rule + ".properties" + name))
        found += path + " should not be there\n";
    }
  };
  const std::string item = ".properties.checks.items";
  compare("", "");
  for (int i = 0; i < json.size(".checks"); ++i) {
    const std::string check = ".checks." + std::to_string(i);
    compare(check, item);
    bool is_known = false;
    for (int one = 0; one < schema.size(item + ".properties.outcome.enum"); ++one)
      is_known |= json.at(check + ".outcome") ==
                  schema.at(item + ".properties.outcome.enum." + std::to_string(one));
    if (!is_known) found += check + ".outcome is " + json.at(check + ".outcome") + "\n";
  }
  return found;
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

std::string quoted_in_json(const std::string& text) {
  Report report;
  report.problem = text;
  return Json(as_json(report)).at(".problem");
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
  const Json json(as_json(report_of_all_kinds()));
  CHECK(violations_of_schema(json) == "");
  CHECK(json.at(".score") == "10");
  CHECK(json.at(".max_score") == "40");
  CHECK(json.size(".checks") == 6);
}

TEST_CASE("a report that has nothing but a problem keeps to the schema, too") {
  Report report;
  report.exercise = "offload";
  report.problem = escaped(nasty(), 3000);
  CHECK(violations_of_schema(Json(as_json(report))) == "");
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
  Json json(as_json(report_of_all_kinds()));
  json.values[".checks.1.outcome"] = "\"lucky\"";
  json.values.erase(".checks.2.saw");
  json.values[".extra"] = "1";
  CHECK(violations_of_schema(json) ==
        ".extra should not be there\n"
        ".checks.1.outcome is \"lucky\"\n"
        ".checks.2 has no \"saw\"\n");
}

TEST_CASE("what is no JSON is not taken for it") {
  for (const char* text :
       {"", "{", "{\"a\": 1,}", "{\"a\" 1}", "[1 2]", "[1,]", "[nan]", "\"a\nb\"", "\"\xff\"",
        "\"\\x0000\"", "\"\\u00g0\"", "\"", "1 1", "{\"a\": 1, \"a\": 1}", "[1}"})
    CHECK_THROWS_AS(Json{text}, std::invalid_argument);
}

TEST_CASE("what UTF-8 can show stays as it is, and all else is escaped") {
  const std::string names =
      "M\u00fcller \u0141uk\u00e1\u0161 \u03a3\u03c9 \u0418\u0432 \u738b\u5c0f\u660e "
      "\u0645\u0631\u06cc\u0645 \u0915\u094d\u200d\u0937 \U0001F600";
  CHECK(escaped(names, 500) == names);
  CHECK(quoted_in_json(names) == '"' + names + '"');
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
  CHECK(text.find("The compiler warns:") != std::string::npos);
  CHECK(text.find("tests=\"6\" failures=\"1\" errors=\"1\" skipped=\"3\"") != std::string::npos);
}

TEST_CASE("Gradescope: the fields of its documentation, and no secret of the grader's") {
  const Json json(as_gradescope(report_of_all_kinds()));
  CHECK(json.at(".score") == "25.000");  // 10 of the 40 that could be judged
  CHECK(json.size(".tests") == 6);
  for (int i = 0; i < 6; ++i) {
    const std::string test = ".tests." + std::to_string(i);
    const std::string& status = json.at(test + ".status");
    CHECK((status == "\"passed\"" || status == "\"failed\""));
    CHECK(json.has(test + ".score") == json.has(test + ".max_score"));
  }
  CHECK(json.at(".tests.5.output") == "\"The grader itself failed here. Tell your teacher.\"");
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
  const Json json(grader.result_in("json"));
  CHECK(violations_of_schema(json) == "");
  CHECK(json.at(".problem") != "\"\"");
  CHECK(Json(grader.result_in("gradescope")).number(".score") == 0);
  CHECK(mistakes_in_xml(grader.result_in("junit")) == "");
}

TEST_CASE("a result is there, and valid, when the server says strange things and ends" *
          doctest::skip(is_without_servers())) {
  const Grader grader("printf '\\001\\377<![CDATA[\"}\\n'; printf '</testsuite>\\000' >&2; exit 3");
  const Json json(grader.result_in("json"));
  CHECK(violations_of_schema(json) == "");
  CHECK(json.at(".score") == "0");
  CHECK(json.at(".checks.0.outcome") == "\"failed\"");
  CHECK(Json(grader.result_in("gradescope")).number(".score") == 0);
  CHECK(mistakes_in_xml(grader.result_in("junit")) == "");
}

TEST_CASE("what a server says is no heading of the grader's, and the steps are the grader's own" *
          doctest::skip(is_without_servers())) {
  const Grader grader(
      "printf 'x\\nWhat happened before:\\n  all well\\nHint: none\\n' >&2; exit 3");
  const Json json(grader.result_in("json"));
  CHECK(json.at(".checks.0.saw").find("all well") != std::string::npos);
  CHECK(json.at(".checks.0.saw").find("Hint: none") != std::string::npos);
  CHECK(json.at(".checks.0.steps").find("all well") == std::string::npos);
}

TEST_CASE("what compiles a submission has the C locale, and nothing of the teacher's environment") {
  const Room room(temporary_folder());
  const std::string log = room.path() + "/environment";
  setenv("GOLDEN_SECRET", "1", 1);
  CHECK(run_bounded({"env"}, log, 10, [&] { contain_reader({}, room.path()); }) == 0);
  unsetenv("GOLDEN_SECRET");
  const std::string seen = contents_of(log);
  CHECK(seen.find("GOLDEN_SECRET") == std::string::npos);
  CHECK(seen.find("LC_ALL=C\n") != std::string::npos);
  CHECK(seen.find("PATH=") != std::string::npos);
}

TEST_CASE("a result is there, and valid, when the server hangs and the grader is killed" *
          doctest::skip(is_without_servers())) {
  const Grader grader("exec sleep 30");
  // Killed as soon as there is a file: that is before the first check has ended.
  const std::string command = grader.command("json") + " & grader=$!; i=0; while [ ! -s " +
                              grader.out() +
                              " ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done; "
                              "kill -9 $grader; wait $grader 2>/dev/null; true";
  CHECK(std::system(("sh -c '" + command + "' 2>/dev/null").c_str()) == 0);
  const Json json(contents_of(grader.out()));
  CHECK(violations_of_schema(json) == "");
  CHECK(json.at(".finished") == "false");
  CHECK(json.at(".score") == "0");
}
