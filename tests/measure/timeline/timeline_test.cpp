// Timelines, from recordings whose content is known and from scenes that are played here.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/kit/check.hpp"
#include "tests/measure/programs.hpp"
#include "tests/measure/server.hpp"
#include "tests/measure/text_table.hpp"
#include "tests/measure/timeline/drawing.hpp"
#include "tests/measure/timeline/scene.hpp"

using namespace two_ways;

namespace {

Timeline timeline_of(const std::string& file) {
  std::ifstream recording(file);
  REQUIRE_MESSAGE(recording, file);
  return make_timeline(read_recording(recording));
}

Timeline recorded(const std::string& server) {
  return timeline_of("tests/measure/timeline/recorded/" + server + ".trace");
}

const Stretch& longest(const Lane& lane, State state) {
  const Stretch* found = nullptr;
  for (const Stretch& one : lane.stretches)
    if (one.state == state && (found == nullptr || one.end - one.begin > found->end - found->begin))
      found = &one;
  REQUIRE(found != nullptr);
  return *found;
}

const Lane& lane_of(const std::vector<Lane>& lanes, char letter) {
  const auto found = std::find_if(lanes.begin(), lanes.end(),
                                  [letter](const Lane& one) { return one.letter == letter; });
  REQUIRE(found != lanes.end());
  return *found;
}

// The stretches of a lane follow each other, and every wait says in which call and for whom.
void check_lane(const Lane& lane) {
  for (std::size_t i = 0; i < lane.stretches.size(); ++i) {
    const Stretch& one = lane.stretches[i];
    CHECK(one.begin < one.end);
    CHECK(one.title != "");
    if (i > 0) CHECK(one.begin == lane.stretches[i - 1].end);
    if (one.state != State::parked) continue;
    CHECK(one.word != "");
    CHECK_MESSAGE(one.about != "", one.title);
  }
}

// Of the clients that began to wait while D's computing went on: was one answered before its end?
struct Meanwhile {
  std::size_t asked = 0;
  std::size_t answered = 0;
};
Meanwhile during_spin(const Timeline& timeline) {
  const bool is_loop = timeline.threads.size() == 1;
  const Stretch& spin =
      longest(is_loop ? timeline.threads[0] : lane_of(timeline.threads, 'D'), State::working);
  CHECK(spin.letter == 'D');
  CHECK(spin.end - spin.begin >= 90'000);
  Meanwhile found;
  for (const Lane& lane : timeline.clients)
    for (const Stretch& one : lane.stretches) {
      if (one.state != State::waiting || one.letter == 'D') continue;
      if (one.begin <= spin.begin || one.begin >= spin.end) continue;
      ++found.asked;
      found.answered += one.end < spin.end ? 1 : 0;
    }
  return found;
}

void check_timeline(const Timeline& timeline, const Program& server) {
  CAPTURE(timeline.server);
  std::set<char> letters;
  Microseconds all = 0;
  for (const Lane& lane : timeline.clients) check_lane(lane);
  for (const Lane& lane : timeline.threads) {
    check_lane(lane);
    all += lane.stretches.back().end - lane.stretches.front().begin;
    if (lane.letter != nobody) CHECK(letters.insert(lane.letter).second);
  }
  CHECK(timeline.totals.parked + timeline.totals.working == all);
  CHECK(timeline.threads.size() == (server.thread_each ? 1 + timeline.clients.size() : 1));
  CHECK(letters.size() == (server.thread_each ? timeline.clients.size() : 0));
  CHECK(timeline.threads[0].stretches.front().begin == 0);
  CHECK(timeline.threads[0].stretches.back().end == timeline.length);

  const Meanwhile meanwhile = during_spin(timeline);
  if ((server.model & loops) != 0) CHECK(meanwhile.answered == 0);
  if (server.thread_each && meanwhile.asked > 0) CHECK(meanwhile.answered > 0);
  if (meanwhile.asked == 0 && !server.one_client)
    MESSAGE("nobody asked while it computed: this machine was too busy to tell");
}

Recording read(const std::string& lines) {
  std::istringstream text(lines);
  return read_recording(text);
}

}  // namespace

TEST_CASE("timeline: a call is read from one line or from two") {
  const Recording recording = read(
      "7  10.000100 recvfrom(8,  <unfinished ...>\n"
      "9  10.000150 accept4(3, NULL, NULL, SOCK_CLOEXEC) = -1 EAGAIN (Try again) <0.000012>\n"
      "7  11.000000 <... recvfrom resumed>\"GET /\", 1024, 0, NULL, NULL) = 27 <0.999880>\n"
      "9  11.500000 close(4)        = 0 <0.000011>\n"
      "7  12.000000 +++ exited with 0 +++\n"
      "# server: x\n"
      "# A 10.000050 asks\n");
  REQUIRE(recording.calls.size() == 3);
  CHECK(recording.calls[0].arguments == "8, \"GET /\", 1024, 0, NULL, NULL");
  CHECK(recording.calls[0].result == "27");
  CHECK(recording.calls[0].begin == 10'000'100);
  CHECK(recording.calls[0].end == 11'000'000);
  CHECK(recording.calls[1].result == "-1 EAGAIN (Try again)");
  CHECK(recording.calls[1].end == 10'000'162);
  CHECK(recording.calls[2].arguments == "4");
  CHECK(recording.exits.at(7) == 12'000'000);
  CHECK(recording.server == "x");
  REQUIRE(recording.steps.size() == 1);
  CHECK(recording.steps[0].at == 10'000'050);
  CHECK(recording.steps[0].what == "asks");
}

TEST_CASE("timeline: what is no recording is refused, with the line") {
  for (const char* line : {"hello", "7 10.0001 x", "7 10.000100 <... recvfrom resumed>) = 1", "# "})
    CHECK_THROWS_WITH_AS(read(line), (std::string("not a line of a recording: ") + line).c_str(),
                         std::runtime_error);
  CHECK_THROWS_AS(make_timeline(read("")), std::runtime_error);
}

TEST_CASE("timeline: threads, as they were recorded") {
  const Timeline timeline = recorded("thread_per_connection");
  check_timeline(timeline, program_of(thread_per_connection));
  CHECK(timeline.threads[0].name == "accepts");
  const Stretch& row = longest(lane_of(timeline.threads, 'A'), State::parked);
  CHECK(row.word == "recv");
  CHECK(row.about == "A's backend");
  CHECK(row.end - row.begin == 300'265);
  CHECK(longest(lane_of(timeline.threads, 'E'), State::parked).about == "E");
  CHECK(during_spin(timeline).answered == 3);
}

TEST_CASE("timeline: a loop, as it was recorded") {
  const Timeline timeline = recorded("event_loop");
  check_timeline(timeline, program_of(event_loop));
  std::string turns;
  for (const Stretch& one : timeline.threads[0].stretches) {
    if (one.state == State::working) turns += one.letter;
    if (one.state == State::parked) CHECK(one.word == "epoll_wait");
  }
  CHECK(turns == "ABCDEBCEECEAEEECEEECEEDECABABEECEEECEEEE");
  CHECK(during_spin(timeline).asked == 3);
}

TEST_CASE("timeline: the picture and the page show every stretch, and keep to their width") {
  for (const char* server : {"event_loop", "thread_per_connection"}) {
    const Timeline timeline = recorded(server);
    const std::string picture = draw_svg(timeline);
    for (const Lane& lane : timeline.threads)
      for (const Stretch& one : lane.stretches)
        CHECK(picture.find("<title>" + one.title.substr(0, one.title.find('\n'))) != picture.npos);
    std::istringstream page(draw_text(timeline, {false, false}));
    for (std::string line; std::getline(page, line);) {
      CHECK(line.size() <= screen_width);
      CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    }
    CHECK(draw_text(timeline, {true, true}).find("\033[35;7mD\033[m") != std::string::npos);
  }
}

TEST_CASE("timeline: the scene, played on every server") {
  if (!(find_on_path("strace") != "")) {
    MESSAGE("strace is missing; nothing to play");
    return;
  }
  const std::string file = program("timeline_test.trace");
  for (const Program& server : programs()) {
    if ((server.model & servers) == 0 || access(program(server.name).c_str(), X_OK) != 0) continue;
    try {
      play_scene(program("."), server.name, file);
    } catch (const Failed& failure) {
      FAIL((server.name + (": " + failure.story)));
    }
    check_timeline(timeline_of(file), server);
  }
  std::filesystem::remove(file);
}
