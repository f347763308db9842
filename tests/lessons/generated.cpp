#include "tests/lessons/generated.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <regex>
#include <sstream>

#include "common/error.hpp"

namespace {

// -- excerpts --

struct ExcerptName {
  std::string file;
  std::string first;
  std::string last;  // empty: the brace that closes the first line
};

std::optional<ExcerptName> excerpt_name(const std::string& line) {
  static const std::regex marker("<!-- excerpt: (\\S+) \"(.+?)\"( to \"(.+)\")? -->");
  std::smatch part;
  if (!std::regex_match(line, part, marker)) return std::nullopt;
  return ExcerptName{part[1], part[2], part[4]};
}

struct Excerpt {
  std::size_t line = 0;  // of the source, from 1
  Lines lines;
};

bool is_end(const std::string& line, const ExcerptName& name, std::size_t indent) {
  if (!name.last.empty()) return trimmed(line).starts_with(name.last);
  return indentation(line) == indent && line.substr(indent).starts_with('}');
}

std::optional<Excerpt> find_excerpt(const ExcerptName& name, std::string& problem) {
  if (!std::filesystem::exists(name.file)) {
    problem = "there is no file " + name.file;
    return std::nullopt;
  }
  const Lines source = read_lines(name.file);
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < source.size(); ++i)
    if (trimmed(source[i]).starts_with(name.first)) found.push_back(i);
  if (found.size() != 1) {
    problem = name.file + " has " + std::to_string(found.size()) + " lines that begin with '" +
              name.first + "', and an excerpt needs one";
    return std::nullopt;
  }
  const std::size_t first = found.front();
  const std::size_t indent = indentation(source[first]);
  std::size_t head = first;  // a comment goes with what stands under it
  while (head + 1 < source.size() && trimmed(source[head]).starts_with("//")) ++head;
  Excerpt excerpt{first + 1, {}};
  for (std::size_t i = first; i < source.size(); ++i) {
    const std::string& line = source[i];
    excerpt.lines.push_back(is_blank(line) ? "" : line.substr(std::min(indent, indentation(line))));
    const bool is_one_liner = name.last.empty() && i == head && !line.ends_with('{') &&
                              !line.ends_with('(') && !line.ends_with(',');
    if (is_one_liner || ((i > head || !name.last.empty()) && is_end(line, name, indent)))
      return excerpt;
  }
  problem = name.file + ": the excerpt from '" + name.first + "' has no end";
  return std::nullopt;
}

// Behind the old link and the old block, if they are there.
std::size_t behind_old_excerpt(const Document& document, std::size_t i) {
  const Lines& lines = document.lines;
  const auto skip_blank = [&] {
    while (i < lines.size() && is_blank(lines[i])) ++i;
  };
  const std::size_t start = i;
  skip_blank();
  // A block without that link in front of it is somebody else's.
  if (i >= lines.size() || !lines[i].starts_with("[`") || lines[i].find("#L") == std::string::npos)
    return start;
  ++i;
  skip_blank();
  for (const Fence& fence : document.fences)
    if (fence.begin == i) return fence.end + 1;
  return start;
}

void add_excerpt(Lines& out, const ExcerptName& name, const Excerpt& excerpt) {
  const std::string place = std::to_string(excerpt.line);
  const bool is_make = name.file.ends_with(".mk") || name.file.ends_with("Makefile");
  out.insert(out.end(),
             {"", "[`" + name.file + "`, line " + place + "](" + name.file + "#L" + place + ")", "",
              is_make ? "```make" : "```cpp"});
  out.insert(out.end(), excerpt.lines.begin(), excerpt.lines.end());
  out.push_back("```");
}

// -- numbers --

using Row = std::map<std::string, std::string>;

// A cell may stand in quotes, and then holds commas.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells(1);
  bool is_quoted = false;
  for (const char c : line) {
    if (c == '"')
      is_quoted = !is_quoted;
    else if (c == ',' && !is_quoted)
      cells.emplace_back();
    else
      cells.back() += c;
  }
  return cells;
}

// Lines that begin with '#' say where the numbers come from.
std::vector<Row> read_csv(const std::string& path) {
  std::vector<Row> rows;
  std::vector<std::string> columns;
  for (const std::string& line : read_lines(path)) {
    if (line.empty() || line.front() == '#') continue;
    const std::vector<std::string> cells = cells_of(line);
    if (columns.empty()) {
      columns = cells;
      continue;
    }
    Row row;
    for (std::size_t i = 0; i < std::min(cells.size(), columns.size()); ++i)
      row[columns[i]] = cells[i];
    rows.push_back(row);
  }
  return rows;
}

// "12,345.7"
std::string with_thousands(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  std::string number = text;
  const std::size_t dot = std::min(number.find('.'), number.size());
  const std::size_t first = number.front() == '-' ? 1 : 0;
  for (std::size_t i = dot; i > first + 3;) number.insert(i -= 3, ",");
  return number;
}

std::string without_spaces(std::string text) {
  std::replace(text.begin(), text.end(), ' ', '_');
  return text;
}

// "COLUMN where a=b c=d", from a stream of words; the word behind it is left in `next`.
double look_up(const std::vector<Row>& rows, std::istream& words, std::string& next) {
  std::string column;
  words >> column;
  std::vector<std::pair<std::string, std::string>> conditions;
  while (words >> next) {
    const std::size_t equals = next.find('=');
    if (equals == std::string::npos && next != "where") break;
    if (next != "where") conditions.emplace_back(next.substr(0, equals), next.substr(equals + 1));
    next.clear();
  }
  std::vector<const Row*> found;
  for (const Row& row : rows) {
    const bool fits = std::all_of(conditions.begin(), conditions.end(), [&](const auto& condition) {
      const auto cell = row.find(condition.first);
      return cell != row.end() && without_spaces(cell->second) == condition.second;
    });
    if (fits && row.contains(column)) found.push_back(&row);
  }
  if (found.size() != 1)
    throw std::runtime_error(std::to_string(found.size()) + " rows fit '" + column +
                             "', and a number needs one");
  return std::stod(found.front()->at(column));
}

std::string number_for(const std::string& name) {
  std::istringstream words(name);
  std::string file;
  words >> file;
  const std::vector<Row> rows = read_csv(file);
  std::string next;
  double value = look_up(rows, words, next);
  int digits = 0;
  while (!next.empty()) {
    std::string argument;
    if (next == "over") {
      value /= look_up(rows, words, next);
      continue;
    }
    if (!(words >> argument)) throw std::runtime_error("'" + next + "' needs a number");
    if (next == "scale")
      value *= std::stod(argument);
    else if (next == "digits")
      digits = std::stoi(argument);
    else
      throw std::runtime_error("'" + next + "' is not understood");
    next.clear();
    words >> next;
  }
  return with_thousands(value, digits);
}

std::string with_fresh_numbers(const std::string& line, std::size_t i, Report& report) {
  static const std::regex marked("(<!-- number: (.*?) -->)(.*?)<!-- end -->|<!-- number");
  std::string fresh;
  auto rest = line.begin();
  for (std::sregex_iterator match(line.begin(), line.end(), marked), end; match != end; ++match) {
    const std::string name = (*match)[2];
    fresh += std::string(rest, (*match)[0].first) + (*match)[1].str();
    try {
      fresh += number_for(name) + "<!-- end -->";
      rest = (*match)[0].second;
    } catch (const std::exception& problem) {
      report.add(i, "number '" + name + "': " + problem.what());
      rest = (*match)[1].second;
    }
  }
  return fresh + std::string(rest, line.end());
}

// -- exercises --

// "| [`FOLDER`](FOLDER) | ...", and of one that is not there "| `FOLDER` (not in this copy) | ...".
std::string with_fresh_exercise(const std::string& line) {
  static const std::regex row("\\| [^|`]*`([^`]+/exercises/[^`]+)`[^|]* (\\|.*)");
  std::smatch part;
  if (!std::regex_match(line, part, row)) return line;
  const std::string folder = part[1];
  return "| " +
         (std::filesystem::is_directory(folder) ? "[`" + folder + "`](" + folder + ")"
                                                : "`" + folder + "` (not in this copy)") +
         " " + part[2].str();
}

}  // namespace

Lines regenerate(const Document& document, Report& report) {
  Lines fresh;
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    const std::string& line = document.lines[i];
    if (document.is_code[i]) {
      fresh.push_back(line);
      continue;
    }
    fresh.push_back(with_fresh_exercise(with_fresh_numbers(line, i, report)));
    const auto name = excerpt_name(line);
    if (!name && line.starts_with("<!-- excerpt")) report.add(i, "this marker is not understood");
    if (!name) continue;
    std::string problem;
    const auto excerpt = find_excerpt(*name, problem);
    if (!excerpt) {
      report.add(i, problem);
      continue;
    }
    add_excerpt(fresh, *name, *excerpt);
    i = behind_old_excerpt(document, i + 1) - 1;
  }
  return fresh;
}

void report_differences(const Document& document, const Lines& fresh, Report& report) {
  const Lines& old = document.lines;
  const auto [was, is] = std::mismatch(old.begin(), old.end(), fresh.begin(), fresh.end());
  if (was == old.end() && is == fresh.end()) return;
  report.add(static_cast<std::size_t>(was - old.begin()),
             "out of date from here on ('make lessons' mends it)\n    there: " +
                 (was == old.end() ? "" : *was) + "\n    now:   " + (is == fresh.end() ? "" : *is));
}
