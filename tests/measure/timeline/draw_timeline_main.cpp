// draw_timeline — what each thread of a server does while its clients wait, drawn from a trace.
#include <langinfo.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/kit/check.hpp"
#include "tests/kit/child_process.hpp"
#include "tests/kit/command_line.hpp"
#include "tests/kit/interruption.hpp"
#include "tests/measure/bench/machine.hpp"
#include "tests/measure/client_group.hpp"
#include "tests/measure/server.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/timeline/scene.hpp"
#include "tests/measure/timeline/timeline.hpp"
#include "tests/measure/tool.hpp"

using namespace two_ways;

namespace {

constexpr const char* usage =
    "usage: draw_timeline [-d DIRECTORY] [-o DIRECTORY] [-k] [-r] SERVER...\n"
    "Plays one scene on each server, under strace, and draws what its threads did.\n"
    "  -d DIRECTORY  where the programs are (beside this one)\n"
    "  -o DIRECTORY  where SERVER.trace and SERVER.svg go (DIRECTORY/timeline)\n"
    "  -k            to be kept: ends when other programs use this machine, too\n"
    "  -r            draw the SERVER.trace that is there; play nothing\n";

TextStyle style_of_terminal() {
  std::setlocale(LC_CTYPE, "");
  const bool wants_none = std::getenv("NO_COLOR") != nullptr;
  return {std::string(nl_langinfo(CODESET)) == "UTF-8", can_redraw(STDOUT_FILENO) && !wants_none};
}

void draw(const std::string& stem) {
  std::ifstream trace(stem + ".trace");
  if (!trace) throw std::runtime_error("cannot read " + stem + ".trace");
  const Timeline timeline = read_timeline(trace);
  std::ofstream picture(stem + ".svg");
  picture << draw_svg(timeline);
  if (!picture.flush()) throw std::runtime_error("cannot write " + stem + ".svg");
  std::printf("%s\n%s.svg\n\n", draw_text(timeline, style_of_terminal()).c_str(), stem.c_str());
  std::fflush(stdout);
}

void refuse_others(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto is_it = [&](const Program& one) { return one.name == name; };
    const auto found = std::find_if(programs().begin(), programs().end(), is_it);
    if (found == programs().end() || (found->model & servers) == 0)
      refuse_usage("the scene is for a server of one process, not for " + name);
  }
}

int run(int argc, char** argv) {
  std::string directory = directory_of(argv[0]);
  std::string output;
  bool keeps = false;
  bool only_draws = false;
  const auto names = read_command_line(
      argc, argv, usage,
      {text("-d", directory), text("-o", output), flag("-k", keeps), flag("-r", only_draws)});
  if (names.empty()) refuse_usage("which SERVER?");
  refuse_others(names);
  if (output.empty()) output = directory + "/timeline";
  if (!only_draws && find_on_path("strace").empty())
    refuse_usage("this needs strace, which is Linux's");
  std::filesystem::create_directories(output);
  note_interruptions();
  if (keeps) refuse_company();
  for (const std::string& name : names) {
    const OthersReading company;
    if (!only_draws) play_scene(directory, name, output + "/" + name + ".trace");
    if (keeps) refuse_company(company);
    draw(output + "/" + name);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  return run_tool("draw_timeline", [&] { return run(argc, argv); });
} catch (const Failed& failure) {
  std::fprintf(stderr, "draw_timeline: %s\n", failure.story.c_str());
  return 1;
}
