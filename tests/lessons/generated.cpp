#include "tests/lessons/generated.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <regex>
#include <sstream>

#include "common/error.hpp"
#include "tests/measure/text_table.hpp"

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

std::string language_of(const std::string& file) {
  if (file.ends_with(".mk") || file.ends_with("Makefile")) return "make";
  return file.ends_with(".txt") ? "diff" : "cpp";
}

void add_excerpt(Lines& out, const ExcerptName& name, const Excerpt& excerpt) {
  const std::string place = std::to_string(excerpt.line);
  out.insert(out.end(),
             {"", "[`" + name.file + "`, line " + place + "](" + name.file + "#L" + place + ")", "",
              "```" + language_of(name.file)});
  out.insert(out.end(), excerpt.lines.begin(), excerpt.lines.end());
  out.push_back("```");
}

// -- marks above tables and paragraphs --

// A comment of one line or more that begins with `opening`.
class Mark {
 public:
  explicit Mark(std::string_view opening) : opening_(opening) {}

  // Is this line one of the comment? Its text is in lines() from its last line on.
  bool takes(const std::string& line) {
    const bool begins = !is_open_ && line.starts_with(opening_);
    if (!begins && !is_open_) return false;
    if (begins) lines_.clear();
    const std::size_t end = std::min(line.find("-->"), line.size());
    const std::string text = trimmed(line.substr(0, end).substr(begins ? opening_.size() : 0));
    if (!text.empty()) lines_.push_back(text);
    is_open_ = end == line.size();
    return true;
  }

  bool is_open() const { return is_open_; }
  const Lines& lines() const { return lines_; }

 private:
  std::string_view opening_;
  Lines lines_;
  bool is_open_ = false;
};

// "a | b | c"
Lines split(const std::string& text) {
  Lines parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, '|');) parts.push_back(part);
  return parts;
}

std::string table_row(const Lines& cells) {
  std::string text = "|";
  for (const std::string& cell : cells) text += cell + "|";
  return text;
}

// -- places --

// Above a table, a line for each of its rows. The last two cells of a row are links to the places
// and how many lines of code they are.
class PlaceWriter {
 public:
  explicit PlaceWriter(Report& report) : report_(report) {}

  std::string fresh(const std::string& line, std::size_t i) {
    if (mark_.takes(line)) {
      row_ = 0;
      is_in_table_ = !mark_.is_open();
      return line;
    }
    if (!is_in_table_ || !line.starts_with('|') || row_++ < 2) return line;
    Lines cells = split(line.substr(1));
    if (cells.size() < 3) return line;
    std::size_t count = 0;
    cells[cells.size() - 2] = " " + links(mark_.lines().at(row_ - 3), i, count) + " ";
    cells[cells.size() - 1] = " " + std::to_string(count) + " ";
    is_in_table_ = row_ - 2 < mark_.lines().size();
    return table_row(cells);
  }

 private:
  std::string links(const std::string& names, std::size_t i, std::size_t& count) {
    std::string text;
    for (const std::string& part : split(names)) {
      const auto name = excerpt_name("<!-- excerpt: " + trimmed(part) + " -->");
      std::string problem = "'" + part + "' names no place";
      const auto excerpt = name ? find_excerpt(*name, problem) : std::nullopt;
      if (!excerpt) {
        report_.add(i, problem);
        continue;
      }
      const std::string place = std::to_string(excerpt->line);
      text += (text.empty() ? "[`" : ", [`") + name->file.substr(name->file.rfind('/') + 1) + "` " +
              place + "](" + name->file + "#L" + place + ")";
      count += excerpt->lines.size();
    }
    return text;
  }

  Report& report_;
  Mark mark_{"<!-- places:"};
  bool is_in_table_ = false;
  std::size_t row_ = 0;
};

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

// With an underscore for each space. Lines that begin with '#' say where the numbers come from.
std::vector<Row> read_csv(const std::string& path) {
  std::vector<Row> rows;
  std::vector<std::string> columns;
  for (std::string line : read_lines(path)) {
    if (line.empty() || line.front() == '#') continue;
    std::replace(line.begin(), line.end(), ' ', '_');
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

using Words = std::vector<std::string>;

// What names a number: "COLUMN a=b c=d", with "scale 0.001", "digits 1" and "over COLUMN a=b" as
// its last words. The column of `base`, its conditions and the rest of it hold for all numbers
// under one mark.
struct NumberName {
  std::string column;
  Row conditions;
  Words divisor;
  double scale = 1;
  int digits = 0;
};

Words words_of(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

// "0.001" or "1/1024"
double factor_of(const std::string& text) {
  const std::size_t slash = text.find('/');
  const double value = std::stod(text);
  return slash == text.npos ? value : value / std::stod(text.substr(slash + 1));
}

NumberName read_number_name(const Words& words) {
  NumberName name;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const std::size_t equals = word.find('=');
    if (equals != word.npos) {
      name.conditions[word.substr(0, equals)] = word.substr(equals + 1);
    } else if (word == "over") {
      name.divisor.assign(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
      break;
    } else if (word == "scale" || word == "digits") {
      if (++i == words.size()) throw std::runtime_error("'" + word + "' needs a number");
      if (word == "scale") name.scale = factor_of(words[i]);
      if (word == "digits") name.digits = std::stoi(words[i]);
    } else {
      name.column = word;
    }
  }
  return name;
}

double look_up(const std::vector<Row>& rows, const NumberName& name) {
  std::vector<const Row*> found;
  const Row& wanted = name.conditions;
  for (const Row& row : rows)
    if (row.contains(name.column) &&
        std::includes(row.begin(), row.end(), wanted.begin(), wanted.end()))
      found.push_back(&row);
  if (found.size() != 1)
    throw std::runtime_error(std::to_string(found.size()) + " rows fit '" + name.column +
                             "', and a number needs one");
  return std::stod(found.front()->at(name.column));
}

Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// The numbers under one mark: those of a table by row and column, or a list.
class Numbers {
 public:
  Numbers() = default;

  // The lines of the mark, without what makes it a comment.
  explicit Numbers(const Lines& mark) {
    base_ = words_of(mark.front());
    if (base_.empty()) throw std::runtime_error("it names no file");
    rows_of_file_ = read_csv(base_.front());
    base_.erase(base_.begin());
    for (std::size_t i = 1; i < mark.size(); ++i) {
      const std::size_t colon = mark[i].find(':');
      const std::string kind = trimmed(mark[i].substr(0, colon));
      const std::string rest = colon == std::string::npos ? "" : mark[i].substr(colon + 1);
      if (kind == "rows")
        rows_ = parts_of(rest);
      else if (kind == "columns")
        columns_ = parts_of(rest);
      else
        list_.push_back(words_of(mark[i]));
    }
  }

  bool is_table() const { return !columns_.empty(); }
  std::size_t rows() const { return rows_.size(); }
  std::size_t columns() const { return columns_.size(); }
  std::size_t size() const { return list_.size(); }

  std::string cell(std::size_t row, std::size_t column) const {
    return value_of(joined(rows_.at(row), columns_.at(column)));
  }
  std::string listed(std::size_t number) const { return value_of(list_.at(number - 1)); }

 private:
  static std::vector<Words> parts_of(const std::string& text) {
    std::vector<Words> parts;
    for (const std::string& part : split(text)) parts.push_back(words_of(part));
    return parts;
  }

  std::string value_of(const Words& words) const {
    const NumberName name = read_number_name(joined(base_, words));
    double value = look_up(rows_of_file_, name);
    if (!name.divisor.empty())
      value /= look_up(rows_of_file_, read_number_name(joined(base_, name.divisor)));
    return with_commas(value * name.scale, name.digits);
  }

  std::vector<Row> rows_of_file_;
  Words base_;
  std::vector<Words> rows_;
  std::vector<Words> columns_;
  std::vector<Words> list_;
};

// Brings the numbers of the text up to date, line by line.
class NumberWriter {
 public:
  explicit NumberWriter(Report& report) : report_(report) {}

  std::string fresh(const std::string& line, std::size_t i) try {
    const bool was_open = mark_.is_open();
    if (mark_.takes(line)) {
      if (!was_open) check_used(i);
      if (!mark_.is_open()) numbers_ = Numbers(mark_.lines());
      return line;
    }
    if (numbers_.is_table() && line.starts_with('|')) return fresh_row(line);
    return fresh_text(line);
  } catch (const std::exception& problem) {
    report_.add(i, std::string("numbers: ") + problem.what());
    return line;
  }

 private:
  void check_used(std::size_t i) {
    if (used_ < numbers_.size())
      report_.add(i, "numbers: " + std::to_string(numbers_.size() - used_) +
                         " of those of the mark before are not in the text");
    table_row_ = used_ = 0;
    numbers_ = Numbers();
  }

  // The first two lines of a table are its head. Of each further one the last cells are numbers,
  // but those that have no digit.
  std::string fresh_row(const std::string& line) {
    const std::size_t row = table_row_++;
    if (row < 2) return line;
    if (row - 2 >= numbers_.rows()) throw std::runtime_error("the mark names too few rows");
    Lines cells = split(line.substr(1));
    const std::size_t columns = numbers_.columns();
    if (cells.size() < columns) throw std::runtime_error("the mark names too many columns");
    for (std::size_t i = 0; i < columns; ++i) {
      std::string& cell = cells[cells.size() - columns + i];
      static const std::regex number("-?[0-9][0-9,]*(\\.[0-9]+)?");
      if (std::regex_search(cell, number))
        cell = std::regex_replace(cell, number, numbers_.cell(row - 2, i));
    }
    if (row - 1 == numbers_.rows()) numbers_ = Numbers();
    return table_row(cells);
  }

  // "<!--3-->12.5<!---->": the third of the list.
  std::string fresh_text(const std::string& line) {
    static const std::regex marked("(<!--([0-9]+)-->)(.*?)<!---->");
    std::string text;
    auto rest = line.begin();
    for (std::sregex_iterator match(line.begin(), line.end(), marked), end; match != end; ++match) {
      ++used_;
      text += std::string(rest, (*match)[1].second) + numbers_.listed(std::stoul((*match)[2])) +
              "<!---->";
      rest = (*match)[0].second;
    }
    return text + std::string(rest, line.end());
  }

  Report& report_;
  Mark mark_{"<!-- numbers: "};
  Numbers numbers_;
  std::size_t table_row_ = 0;
  std::size_t used_ = 0;
};

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
  NumberWriter numbers(report);
  PlaceWriter places(report);
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    const std::string& line = document.lines[i];
    if (document.is_code[i]) {
      fresh.push_back(line);
      continue;
    }
    fresh.push_back(with_fresh_exercise(places.fresh(numbers.fresh(line, i), i)));
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
