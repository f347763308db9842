#include "tests/lessons/references.hpp"

#include <algorithm>
#include <filesystem>
#include <regex>

namespace {

namespace files = std::filesystem;

// Text without what stands in backquotes, where brackets are code.
std::string without_code(const std::string& line) {
  static const std::regex code("`[^`]*`");
  return std::regex_replace(line, code, "`");
}

bool is_web_address(const std::string& target) {
  return target.starts_with("https://") || target.starts_with("http://");
}

bool has_anchor(const Document& document, const std::string& anchor) {
  return std::find(document.anchors.begin(), document.anchors.end(), anchor) !=
         document.anchors.end();
}

void check_target(const Document& document, const std::string& folder, std::size_t i,
                  const std::string& target, Report& report) {
  if (is_web_address(target)) return;
  const std::size_t hash = std::min(target.find('#'), target.size());
  const std::string anchor = target.substr(std::min(hash + 1, target.size()));
  const std::string file = (files::path(folder) / target.substr(0, hash)).lexically_normal();
  if (hash > 0 && !files::exists(file)) return report.add(i, "there is no file " + file);
  if (anchor.empty() || (hash > 0 && !file.ends_with(".md"))) return;
  if (!has_anchor(hash > 0 ? read_document(file) : document, anchor))
    report.add(i, "there is no place " + target.substr(0, hash) + "#" + anchor);
}

void check_links(const Document& document, const std::string& folder, Report& report) {
  static const std::regex link("\\]\\(([^) ]+)[^)]*\\)|(src|srcset)=\"([^\"]+)\"");
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    if (document.is_code[i]) continue;
    const std::string line = without_code(document.lines[i]);
    for (std::sregex_iterator match(line.begin(), line.end(), link), end; match != end; ++match)
      check_target(document, folder, i, (*match)[1].str() + (*match)[3].str(), report);
  }
}

// What the book is told: which files to set side by side, and which part answers a question.
void check_book_marks(const Document& document, Report& report) {
  static const std::regex mark("<!-- (compare|about): (\\S+)( (\\S+))? -->");
  std::smatch part;
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    if (!std::regex_match(document.lines[i], part, mark)) continue;
    check_target(document, "", i, (part[1] == "about" ? "#" : "") + part[2].str(), report);
    if (part[4].matched) check_target(document, "", i, part[4], report);
  }
}

// Every "lessons.md#PLACE" that sources and scripts of this project name.
void check_anchors_from_code(const Document& document, Report& report) {
  static const std::regex anchor("lessons\\.md#([A-Za-z0-9_-]+)");
  for (const std::string folder : {"common", "blocking", "select_poll", "nonblocking", "tests"}) {
    for (auto i = files::recursive_directory_iterator(folder);
         i != files::recursive_directory_iterator(); ++i) {
      if (i->path().filename() == "node_modules") {
        i.disable_recursion_pending();
        continue;
      }
      const std::string kind = i->path().extension().string();
      if (!i->is_regular_file() || (kind != ".cpp" && kind != ".hpp" && kind != ".sh")) continue;
      if (i->path().parent_path() == "tests/lessons") continue;
      for (const std::string& line : read_lines(i->path().string()))
        for (std::sregex_iterator match(line.begin(), line.end(), anchor), end; match != end;
             ++match)
          if (!has_anchor(document, (*match)[1]))
            report.add(0, i->path().string() + " points to #" + (*match)[1].str() +
                              ", and there is no such place");
    }
  }
}

std::string whole_text(const Document& document) {
  std::string text;
  for (const std::string& line : document.lines) text += line + "\n";
  return text;
}

void check_exercises(const std::string& text, Report& report) {
  for (const std::string model : {"blocking", "select_poll", "nonblocking"}) {
    const files::path folder = files::path(model) / "exercises";
    if (!files::is_directory(folder)) continue;
    for (const auto& entry : files::directory_iterator(folder)) {
      if (!entry.is_directory()) continue;
      if (text.find("\n| [`" + entry.path().string() + "`]") == text.npos)
        report.add(0, "the exercise " + entry.path().string() + " has no row in the table");
      const std::string name = entry.path().filename().string();
      if (text.find("\n### " + name + "\n") == text.npos)
        report.add(0, "the exercise " + name + " has no brief");
    }
  }
}

// Code is quoted, never typed: right above it stands where it comes from. What is labelled WRONG
// comes from where a case proves it, and all that is proved there is quoted.
void check_code(const Document& document, const std::string& text, Report& report) {
  const std::string wrong_folder = "tests/lessons/wrong/";
  for (const Fence& fence : document.fences) {
    if (fence.language != "cpp") continue;
    std::size_t above = fence.begin;
    while (above > 0 && is_blank(document.lines[above - 1])) --above;
    const std::string origin = above > 0 ? document.lines[above - 1] : "";
    if (!origin.starts_with("[`") || origin.find("#L") == origin.npos)
      report.add(fence.begin, "this code is no excerpt");
    for (std::size_t i = fence.begin; i < fence.end; ++i)
      if (document.lines[i].find("WRONG") != std::string::npos &&
          origin.find(wrong_folder) == origin.npos)
        report.add(i, "WRONG code that no case in " + wrong_folder + " proves wrong");
  }
  for (const auto& entry : files::directory_iterator(wrong_folder))
    if (text.find("<!-- excerpt: " + entry.path().string()) == text.npos)
      report.add(0, entry.path().string() + " is quoted nowhere");
}

// -- commands --

// What zsh, every Mac's shell, makes of the unquoted part of a line: "#" begins no comment there,
// and "?" is a pattern that must match a file.
bool is_misread_by_zsh(const std::string& line) {
  char quote = 0;
  char before = ' ';
  for (const char c : line) {
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if ((c == '#' && before == ' ') || (c == '?' && before != '$')) {
      return true;
    }
    before = c;
  }
  return false;
}

void check_pasting(const Document& document, Report& report) {
  for (const Fence& fence : document.fences) {
    const bool is_console = fence.language == "console";
    if (!is_console && fence.language != "sh") continue;
    for (std::size_t i = fence.begin + 1; i < fence.end; ++i) {
      const bool is_command = !is_console || document.lines[i].starts_with("$ ");
      if (is_command && is_misread_by_zsh(document.lines[i]))
        report.add(i, "pasted into zsh, this is another command: an unquoted '#' or '?'");
    }
  }
}

// -- marks --

// Whoever reads the file as it is must find text in it: no line has more marks than text, and a
// tenth of the file at most are marks.
void check_marks(const Document& document, Report& report) {
  std::size_t all = 0;
  std::size_t in_marks = 0;
  bool is_inside = false;
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    const std::string& line = document.lines[i];
    all += line.size() + 1;
    if (document.is_code[i]) continue;
    std::size_t marks = 0;
    for (std::size_t at = 0; at < line.size();) {
      const std::size_t next = line.find(is_inside ? "-->" : "<!--", at);
      const std::size_t end = next == line.npos ? line.size() : next + (is_inside ? 3 : 0);
      if (is_inside) marks += end - at;
      if (next != line.npos) is_inside = !is_inside;
      at = end;
    }
    in_marks += marks;
    if (marks < line.size() && marks > line.size() / 2)
      report.add(i, "this line has more marks than text");
  }
  if (in_marks > all / 10)
    report.add(
        0, std::to_string(in_marks * 100 / all) + "% of the text are marks, 10% at most may be");
}

// -- briefs --

struct Brief {
  std::size_t line;  // of its heading in lessons.md
  files::path folder;
  Lines copy;
};

std::string with_links_from_folder(const std::string& line) {
  static const std::regex own_place("\\]\\(#");
  static const std::regex file("\\]\\((?!https?://)");
  return std::regex_replace(std::regex_replace(line, own_place, "](lessons.md#"), file,
                            "](../../../");
}

// Of the exercises that are here.
std::vector<Brief> briefs_in(const Document& document) {
  const Lines& lines = document.lines;
  std::vector<Brief> briefs;
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (const std::string model : {"blocking", "select_poll", "nonblocking"}) {
      if (!lines[i].starts_with("### ")) continue;
      const std::string name = lines[i].substr(4);
      Brief brief{i, files::path(model) / "exercises" / name, {}};
      if (!files::is_directory(brief.folder)) continue;
      brief.copy = {"# " + name, "",
                    "<!-- A copy from lessons.md by `make lessons`; change it there. -->"};
      for (std::size_t at = i + 1; at < lines.size() && !lines[at].starts_with("##"); ++at)
        brief.copy.push_back(with_links_from_folder(lines[at]));
      while (is_blank(brief.copy.back())) brief.copy.pop_back();
      briefs.push_back(brief);
    }
  return briefs;
}

bool is_up_to_date(const Brief& brief) {
  const files::path path = brief.folder / "README.md";
  return files::exists(path) && read_lines(path.string()) == brief.copy;
}

}  // namespace

void check_page(const Document& document, const std::string& folder, Report& report) {
  check_links(document, folder, report);
  check_pasting(document, report);
}

void check_references(const Document& document, Report& report) {
  const std::string text = whole_text(document);
  check_page(document, "", report);
  check_book_marks(document, report);
  check_anchors_from_code(document, report);
  check_exercises(text, report);
  check_code(document, text, report);
  check_marks(document, report);
}

void write_briefs(const Document& document) {
  for (const Brief& brief : briefs_in(document))
    if (!is_up_to_date(brief)) write_lines((brief.folder / "README.md").string(), brief.copy);
}

void check_briefs(const Document& document, Report& report) {
  for (const Brief& brief : briefs_in(document)) {
    if (!is_up_to_date(brief))
      report.add(brief.line, (brief.folder / "README.md").string() +
                                 " is not this brief ('make lessons' mends it)");
    else
      check_page(read_document((brief.folder / "README.md").string()), brief.folder.string(),
                 report);
  }
}
