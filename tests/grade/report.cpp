#include "tests/grade/report.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <sstream>
#include <string_view>
#include <utility>

#include "common/error.hpp"
#include "tests/measure/text_table.hpp"

using namespace two_ways;

int Report::score() const {
  int total = 0;
  for (const CheckReport& check : checks) total += check.earned();
  return total;
}

int Report::most() const {
  int total = 0;
  for (const CheckReport& check : checks) total += check.counted();
  return total;
}

bool Report::has_error() const {
  return !fault.empty() || std::any_of(checks.begin(), checks.end(), [](const CheckReport& check) {
    return check.verdict == Verdict::error;
  });
}

const char* word_for(Verdict verdict) {
  constexpr const char* words[] = {"passed",  "failed",       "blocked",
                                   "skipped", "inconclusive", "error"};
  return words[static_cast<std::size_t>(verdict)];
}

namespace {

// Not to be seen, or not where it stands: C1 controls and the soft hyphen, marks and turns of
// direction, ends of lines, marks of byte order, tags, no characters at all. (Joiners belong to
// names.)
constexpr std::pair<char32_t, char32_t> unseen[] = {
    {0x7f, 0x9f},     {0xad, 0xad},     {0x200b, 0x200b}, {0x200e, 0x200f},
    {0x2028, 0x202e}, {0x2060, 0x206f}, {0xd800, 0xf8ff}, {0xfdd0, 0xfdef},
    {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0x1fffff}};

}  // namespace

std::size_t printable_at_begin(std::string_view text) {
  if (text.empty()) return 0;
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (first < 0xc0 || first > 0xf4 || text.size() < length) return 0;
  char32_t character = first & (0x7fu >> length);
  for (const char c : text.substr(1, length - 1)) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80) return 0;
    character = character << 6 | (byte & 0x3f);
  }
  const bool is_unseen = std::any_of(std::begin(unseen), std::end(unseen), [&](const auto& range) {
    return range.first <= character && character <= range.second;
  });
  return character < least[length] || is_unseen ? 0 : length;
}

std::string escaped(const std::string& text, std::size_t most) {
  std::string result;
  for (std::string_view rest = text; !rest.empty();) {
    if (result.size() >= most) return result + "... (" + std::to_string(text.size()) + " bytes)";
    const std::size_t length = rest.front() == '\n' ? 1 : printable_at_begin(rest);
    if (length > 0) {
      result += rest.substr(0, length);
    } else {
      char code[8];
      std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(rest.front()));
      result += code;
    }
    rest.remove_prefix(std::max(length, std::size_t{1}));
  }
  return result;
}

std::string in_one_line(const std::string& text, std::size_t most) {
  std::string line = escaped(text, most);
  for (std::size_t at = 0; (at = line.find('\n', at)) != line.npos;) line.replace(at, 1, "\\x0a");
  return line;
}

void read_story(const std::string& story, CheckReport& check) {
  constexpr std::size_t most = 3000;
  constexpr std::size_t most_steps = 40'000;
  const auto between = [&story](std::string_view begin, std::string_view end, std::size_t at_most) {
    const std::size_t from = begin.empty() ? 0 : story.find(begin);
    if (from == std::string::npos) return std::string();
    const std::size_t start = from + begin.size();
    const std::size_t stop = story.find(end, start);
    return escaped(story.substr(start, stop == std::string::npos ? stop : stop - start), at_most);
  };
  const bool has_steps = story.find("\nWhat happened before:\n") != std::string::npos;
  check.did = between("", "\nExpected: ", most);
  check.expected = between("\nExpected: ", "\nInstead: ", most);
  check.saw = between("\nInstead: ", has_steps ? "\nWhat happened before:\n" : "\nHint: ", most);
  check.steps = between("\nWhat happened before:\n", "\nHint: ", most_steps);
  if (check.saw.empty()) check.saw = escaped(story, most);
}

// -- on the screen --

namespace {

// Breaks at spaces, and begins every line with `margin`.
std::string wrapped(const std::string& first, const std::string& margin, const std::string& text,
                    std::size_t width = screen_width) {
  std::string result = first;
  std::size_t column = first.size();
  std::size_t at = 0;
  while (at < text.size()) {
    if (text[at] == '\n') {
      result += "\n" + margin;
      column = margin.size();
      ++at;
      continue;
    }
    const std::size_t end = std::min(text.find_first_of(" \n", at + 1), text.size());
    std::string word = text.substr(at, end - at);
    if (column + word.size() > width && column > margin.size()) {
      result += "\n" + margin;
      column = margin.size();
      if (word.front() == ' ') word.erase(0, 1);
    }
    result += word;
    column += word.size();
    at = end;
  }
  return result + "\n";
}

}  // namespace

std::string line_for(const CheckReport& check) {
  constexpr std::size_t most_of_title = 63;
  std::string line = wrapped("  " + check.id + "  ", "       ", check.title, most_of_title);
  line.back() = ' ';
  const std::size_t begin = line.rfind('\n') + 1;  // 0 if it is one line
  line.resize(std::max(line.size(), begin + most_of_title + 3), '.');
  const char* word = check.is_repeated                  ? "ok (?)"
                     : check.verdict == Verdict::passed ? "ok"
                     : check.verdict == Verdict::failed ? "FAIL"
                                                        : word_for(check.verdict);
  char end[48];
  std::snprintf(end, sizeof end, " %-8s %2d/%d", word, check.earned(), check.counted());
  return line + end + "\n";
}

std::string details_of(const CheckReport& check, bool with_steps) {
  const std::string margin = "       | ";
  std::string text;
  const bool has_passed = check.verdict == Verdict::passed;
  if (check.is_repeated) return wrapped(margin, margin, check.saw);
  if (has_passed && (!with_steps || check.did.empty())) return text;
  if (!has_passed && check.verdict != Verdict::failed) return wrapped(margin, margin, check.saw);
  text += wrapped(margin + "I did:    ", margin + "          ", check.did);
  text += wrapped(margin + "Expected: ", margin + "          ", check.expected);
  text += wrapped(margin + "I saw:    ", margin + "          ", check.saw);
  if (with_steps && !check.steps.empty())
    text += wrapped(margin + "Steps:  ", margin, "\n" + check.steps);
  if (has_passed) return text;
  if (!check.hint.empty())
    text += wrapped(margin + "Hint:     ", margin + "          ", check.hint);
  if (!check.lesson.empty()) text += margin + "Read:     " + check.lesson + "\n";
  text += margin + "Again:    " + check.again + "\n";
  return text;
}

std::string bar_for(const Report& report) {
  constexpr int width = 40;
  const int most = std::max(report.most(), 1);
  const int full = report.score() * width / most;
  const std::string bar = std::string(static_cast<std::size_t>(full), '#') +
                          std::string(static_cast<std::size_t>(width - full), '.');
  char text[160];
  std::snprintf(text, sizeof text, "%-16s [%s] %3d of %d", report.exercise.c_str(), bar.c_str(),
                report.score(), report.problem.empty() ? report.most() : 100);
  return text;
}

std::string words_for_rest(const Report& report) {
  if (!report.problem.empty() || report.most() == 100 || report.checks.empty()) return "";
  std::string ids;
  for (const CheckReport& check : report.checks)
    if (check.is_open() && check.points > 0) ids += " " + check.id;
  if (ids.empty()) return "";
  return "What could not be judged on this machine does not count:" + ids + ".\n";
}

std::string as_text(const Report& report) {
  std::string text = report.exercise + "\n";
  if (!report.problem.empty()) text += report.problem + "\n";
  if (!report.compiler.empty()) text += "The compiler warns:\n" + report.compiler;
  for (const CheckReport& check : report.checks) text += line_for(check) + details_of(check, false);
  return text + "\n" + bar_for(report) + "\n" + words_for_rest(report);
}

// -- between processes --

namespace {

// One function for both ways: what it writes into a stream, it reads from one.
template <class T>
std::ostream& operator|(std::ostream& out, const T& field) {
  return out << field << ' ';
}
std::ostream& operator|(std::ostream& out, const std::string& field) {
  return out << std::quoted(field) << ' ';
}
template <class T>
std::istream& operator|(std::istream& in, T& field) {
  return in >> field;
}
std::istream& operator|(std::istream& in, std::string& field) {
  return in >> std::quoted(field);
}

template <class Stream>
void pass(Stream& stream, CheckReport& check) {
  int verdict = static_cast<int>(check.verdict);
  stream | check.id | check.title | check.did | check.expected | check.saw | check.steps |
      check.hint | check.lesson | check.again | check.points | verdict | check.seconds |
      check.is_repeated;
  check.verdict = static_cast<Verdict>(verdict);
}

template <class Stream>
void pass(Stream& stream, Report& report) {
  stream | report.exercise | report.problem | report.fault | report.compiler | report.seconds |
      report.is_finished;
}

constexpr const char* end_of_report = "whole";

}  // namespace

std::string packed(const Report& report) {
  std::ostringstream out;
  Report copy = report;
  pass(out, copy);
  out << copy.checks.size() << ' ';
  for (CheckReport& check : copy.checks) pass(out, check);
  out << end_of_report;
  return out.str();
}

std::optional<Report> unpacked(const std::string& bytes) {
  std::istringstream in(bytes);
  Report report;
  pass(in, report);
  std::size_t count = 0;
  for (in >> count; in && report.checks.size() < count;) pass(in, report.checks.emplace_back());
  std::string end;
  in >> end;
  if (end != end_of_report) return std::nullopt;
  return report;
}

void save(const std::string& path, const std::string& text) {
  const std::string temporary = path + "." + std::to_string(getpid()) + ".tmp";
  std::ofstream file(temporary, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw CallFailed("write " + temporary, errno);
  if (rename(temporary.c_str(), path.c_str()) < 0) throw CallFailed("rename " + path, errno);
}
