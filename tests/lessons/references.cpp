#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "tests/lessons/structure.hpp"

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

void check_target(const Document& document, std::size_t i, const std::string& target,
                  Report& report) {
  if (is_web_address(target)) return;
  const std::size_t hash = std::min(target.find('#'), target.size());
  const std::string file = target.substr(0, hash);
  if (!file.empty() && !files::exists(file)) return report.add(i, "there is no file " + file);
  if (!file.empty() || hash == target.size()) return;
  const std::string anchor = target.substr(hash + 1);
  if (std::find(document.anchors.begin(), document.anchors.end(), anchor) == document.anchors.end())
    report.add(i, "there is no place #" + anchor);
}

void check_links(const Document& document, Report& report) {
  static const std::regex link("\\]\\(([^) ]+)[^)]*\\)");
  static const std::regex source("(src|srcset)=\"([^\"]+)\"");
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    if (document.is_code[i]) continue;
    const std::string line = without_code(document.lines[i]);
    const std::sregex_iterator end;
    for (std::sregex_iterator match(line.begin(), line.end(), link); match != end; ++match)
      check_target(document, i, (*match)[1], report);
    for (std::sregex_iterator match(line.begin(), line.end(), source); match != end; ++match)
      check_target(document, i, (*match)[2], report);
  }
}

// Every "lessons.md#PLACE" that sources and scripts of this project name.
void check_anchors_from_code(const Document& document, Report& report) {
  static const std::regex anchor("lessons\\.md#([A-Za-z0-9_-]+)");
  const std::set<std::string> known(document.anchors.begin(), document.anchors.end());
  std::set<std::string> missing;
  for (const std::string folder : {"common", "blocking", "select_poll", "nonblocking", "tests"}) {
    for (auto i = files::recursive_directory_iterator(folder);
         i != files::recursive_directory_iterator(); ++i) {
      if (i->path().filename() == "node_modules" || i->path().filename() == "corpus") {
        i.disable_recursion_pending();
        continue;
      }
      const std::string kind = i->path().extension().string();
      if (!i->is_regular_file() || (kind != ".cpp" && kind != ".hpp" && kind != ".sh")) continue;
      if (i->path().parent_path() == "tests/lessons") continue;
      for (const std::string& line : read_lines(i->path().string()))
        for (std::sregex_iterator match(line.begin(), line.end(), anchor), end; match != end;
             ++match)
          if (!known.contains((*match)[1]))
            missing.insert(i->path().string() + " points to #" + (*match)[1].str());
    }
  }
  for (const std::string& one : missing) report.add(0, one + ", and there is no such place");
}

std::string whole_text(const Document& document) {
  std::string text;
  for (const std::string& line : document.lines) text += line + "\n";
  return text;
}

// The servers are those that the Makefile lists.
void check_servers(const std::string& text, Report& report) {
  constexpr std::string_view list = "ALL_SERVERS ";
  for (const std::string& line : read_lines("Makefile")) {
    if (!line.starts_with(list)) continue;
    std::istringstream names(line.substr(line.find('=') + 1));
    for (std::string name; names >> name;)
      if (text.find("build/" + name) == text.npos)
        report.add(0, "the server " + name + " is never run");
    return;
  }
  report.add(0, "the Makefile has no list " + std::string(list));
}

// -- exercises --

// Everything between a brief's heading and the next.
std::string brief_of(const Document& document, const std::string& name) {
  std::string text;
  bool is_inside = false;
  for (std::size_t i = 0; i < document.lines.size(); ++i) {
    if (document.lines[i].starts_with("#")) is_inside = document.lines[i] == "### " + name;
    if (is_inside) text += document.lines[i] + "\n";
  }
  return text;
}

void check_brief(const Document& document, const std::string& name, Report& report) {
  const std::string brief = brief_of(document, name);
  if (brief.empty()) return report.add(0, "the exercise " + name + " has no brief");
  for (const char* part :
       {"**What.** ", "**Why.** ", "**The grader looks at** ", "**Time.** ", "**First step.** "})
    if (brief.find(std::string("\n") + part) == brief.npos)
      report.add(0, "the brief of " + name + " has no '" + part + "'");
}

void check_exercises(const Document& document, const std::string& text, Report& report) {
  for (const std::string model : {"blocking", "select_poll", "nonblocking"}) {
    const files::path folder = files::path(model) / "exercises";
    if (!files::is_directory(folder)) continue;
    for (const auto& entry : files::directory_iterator(folder)) {
      if (!entry.is_directory()) continue;
      if (text.find("\n| [`" + entry.path().string() + "`]") == text.npos)
        report.add(0, "the exercise " + entry.path().string() + " has no row in the table");
      check_brief(document, entry.path().filename().string(), report);
    }
  }
}

// -- code --

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

}  // namespace

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

void check_references(const Document& document, Report& report) {
  const std::string text = whole_text(document);
  check_links(document, report);
  check_anchors_from_code(document, report);
  check_servers(text, report);
  check_exercises(document, text, report);
  check_code(document, text, report);
  check_pasting(document, report);
}
