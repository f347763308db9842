// The formats that other programs read. All are made from a Report and nothing else.
#include <algorithm>
#include <cstdio>
#include <string_view>

#include "tests/grade/report.hpp"
#include "tests/measure/text_table.hpp"

namespace {

// In UTF-8, as the rest of the file.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = printable_at_begin(rest);
    const char c = rest.front();
    char code[8];
    std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned char>(c));
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += length == 0 ? code : rest.substr(0, length);
    rest.remove_prefix(std::max(length, std::size_t{1}));
  }
  return result + '"';
}

// "a": b, with the comma in front unless it is the first.
class Object {
 public:
  explicit Object(std::string indent) : indent_(std::move(indent)) {}
  Object& add(const char* name, const std::string& json) {
    text_ += (text_.empty() ? "" : ",") + ("\n" + indent_ + "  ") + quoted(name) + ": " + json;
    return *this;
  }
  Object& text(const char* name, const std::string& value) { return add(name, quoted(value)); }
  Object& integer(const char* name, int value) { return add(name, std::to_string(value)); }
  std::string str() const { return "{" + text_ + "\n" + indent_ + "}"; }

 private:
  std::string indent_;
  std::string text_;
};

template <class Make>
std::string array_of(const Report& report, Make make) {
  std::string text;
  for (const CheckReport& check : report.checks)
    text += (text.empty() ? "\n    " : ",\n    ") + make(check);
  return text.empty() ? "[]" : "[" + text + "\n  ]";
}

std::string warnings_in(const Report& report) {
  return report.compiler.empty() ? "" : "The compiler warns:\n" + report.compiler;
}

// Gradescope knows one number of points for all machines: what this one could not check is left
// out, and the rest is the whole.
std::string of_a_hundred(const Report& report) {
  return with_digits(100.0 * report.score() / std::max(report.most(), 1), 3);
}

std::string in_xml(const std::string& text) {
  constexpr std::string_view special = "<>&\"";
  constexpr const char* names[] = {"&lt;", "&gt;", "&amp;", "&quot;"};
  std::string result;
  for (const char c : text) {
    if (const std::size_t place = special.find(c); place != special.npos)
      result += names[place];
    else
      result += static_cast<unsigned char>(c) < 0x20 && c != '\n' ? '?' : c;
  }
  return result;
}

std::string attribute(const char* name, const std::string& value) {
  return std::string(" ") + name + "=\"" + in_xml(value) + '"';
}

}  // namespace

std::string as_json(const Report& report) {
  const std::string checks = array_of(report, [](const CheckReport& check) {
    return Object("    ")
        .text("id", check.id)
        .text("title", check.title)
        .text("outcome", word_for(check.verdict))
        .integer("score", check.earned())
        .integer("max_score", check.points)
        .add("seconds", with_digits(check.seconds, 3))
        .text("did", check.did)
        .text("expected", check.expected)
        .text("saw", check.saw)
        .text("steps", check.steps)
        .text("hint", check.hint)
        .text("lesson", check.lesson)
        .text("again", check.again)
        .str();
  });
  return Object("")
             .text("schema", "two-ways-to-wait/grade/v1")
             .text("exercise", report.exercise)
             .add("finished", report.is_finished ? "true" : "false")
             .integer("score", report.score())
             .integer("max_score", report.problem.empty() ? report.most() : 100)
             .add("seconds", with_digits(report.seconds, 3))
             .text("problem", report.problem)
             .text("compiler", report.compiler)
             .add("checks", checks)
             .str() +
         "\n";
}

std::string as_junit(const Report& report) {
  std::string cases;
  int failures = 0;
  int skipped = 0;
  int errors = report.problem.empty() ? 0 : 1;
  for (const CheckReport& check : report.checks) {
    const std::string text = in_xml(details_of(check, false));
    const std::string saw = attribute("message", check.saw);
    cases += "  <testcase" + attribute("classname", report.exercise) +
             attribute("name", check.id + " " + check.title) +
             attribute("time", with_digits(check.seconds, 3)) + ">";
    if (check.verdict == Verdict::failed) {
      ++failures;
      cases += "<failure" + saw + ">" + text + "</failure>";
    } else if (check.verdict == Verdict::error) {
      ++errors;
      cases += "<error" + saw + "/>";
    } else if (check.verdict != Verdict::passed) {
      ++skipped;
      cases += "<skipped" + saw + "/>";
    } else if (!text.empty()) {
      cases += "<system-out>" + text + "</system-out>";
    }
    cases += "</testcase>\n";
  }
  if (!report.problem.empty())
    cases += "  <testcase" + attribute("classname", report.exercise) +
             " name=\"builds\"><error message=\"it could not be checked\">" +
             in_xml(report.problem) + "</error></testcase>\n";
  if (!report.compiler.empty())
    cases += "  <system-out>" + in_xml(warnings_in(report)) + "</system-out>\n";
  const std::size_t tests = report.checks.size() + (report.problem.empty() ? 0 : 1);
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite" +
         attribute("name", report.exercise) + attribute("tests", std::to_string(tests)) +
         attribute("failures", std::to_string(failures)) +
         attribute("errors", std::to_string(errors)) +
         attribute("skipped", std::to_string(skipped)) +
         attribute("time", with_digits(report.seconds, 3)) + ">\n" + cases + "</testsuite>\n";
}

// https://gradescope-autograders.readthedocs.io/en/latest/specs/
std::string as_gradescope(const Report& report) {
  const std::string tests = array_of(report, [](const CheckReport& check) {
    Object test("    ");
    test.text("name", check.id + " " + check.title);
    const bool is_error = check.verdict == Verdict::error;
    if (!check.is_open() && !is_error)
      test.integer("score", check.earned()).integer("max_score", check.points);
    const bool is_fine = check.is_open() || check.verdict == Verdict::passed;
    return test.text("status", is_fine ? "passed" : "failed")
        .text("output", is_error ? "The grader itself failed here. Tell your teacher."
                                 : details_of(check, false))
        .str();
  });
  std::string output = report.problem;
  if (output.empty()) output = bar_for(report) + "\n" + warnings_in(report);
  if (const std::string rest = words_for_rest(report); !rest.empty())
    output += rest + "That makes " + of_a_hundred(report) + " of 100.\n";
  return Object("")
             .add("score", of_a_hundred(report))
             .text("output", output)
             .text("output_format", "text")
             .integer("execution_time", static_cast<int>(report.seconds))
             .text("visibility", "visible")
             .text("stdout_visibility", "hidden")
             .add("tests", tests)
             .str() +
         "\n";
}
