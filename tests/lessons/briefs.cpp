#include "tests/lessons/briefs.hpp"

#include <algorithm>
#include <filesystem>
#include <regex>

#include "tests/lessons/references.hpp"

namespace {

namespace files = std::filesystem;

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
