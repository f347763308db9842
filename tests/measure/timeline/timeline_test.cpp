// Timelines, from short traces whose content is known and from scenes that are played here.
#include "tests/measure/timeline/timeline.hpp"

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
#include "tests/measure/timeline/scene.hpp"

using namespace two_ways;

namespace {

Timeline timeline_of(const std::string& lines) {
  std::istringstream trace(lines);
  return read_timeline(trace);
}

// A's thread asks its backend; whoever accepts does so for B, too.
const std::string two_threads =
    "7 9.900000 poll([{fd=3, events=POLLIN}], 1, -1) = 1 ([{fd=3, revents=POLLIN}]) <0.100010>\n"
    "7 10.000100 accept4(3, NULL, NULL, SOCK_CLOEXEC) = 8 <0.000010>\n"
    "9 10.000200 recvfrom(8,  <unfinished ...>\n"
    "7 10.000300 accept4(3, NULL, NULL, SOCK_CLOEXEC) = 10 <0.000010>\n"
    "7 10.000400 accept4(3, NULL, NULL, SOCK_CLOEXEC) = -1 EAGAIN (Try again) <0.000012>\n"
    "7 10.000500 poll([{fd=3, events=POLLIN}], 1, -1 <unfinished ...>\n"
    "9 10.010200 <... recvfrom resumed>\"GET /row\", 1024, 0, NULL, NULL) = 30 <0.010000>\n"
    "9 10.010300 connect(11, {sa_family=AF_INET, sin_port=htons(9)}, 16) = 0 <0.000050>\n"
    "9 10.010400 sendto(11, \"GET /row\", 38, 0, NULL, 0) = 38 <0.000020>\n"
    "9 10.010500 recvfrom(11, \"HTTP/1.1\", 1024, 0, NULL, NULL) = 162 <0.300265>\n"
    "9 10.310800 close(11)       = 0 <0.000010>\n"
    "9 10.310900 sendto(8, \"HTTP/1.1\", 143, 0, NULL, 0) = 143 <0.000020>\n"
    "9 10.312000 +++ exited with 0 +++\n"
    "# server: x\n# machine: M\n# kernel: Linux 6.18.4 x\n# date: 2026-11-26 18:53 UTC\n"
    "# A 10.000000 connects\n"
    "# B 10.000050 connects\n"
    "# A 10.010000 asks\n"
    "# A 10.311000 has its answer\n"
    "# A 10.311100 leaves\n"
    "# B 10.312500 leaves\n";

// A's request is computed, and B takes its long response slowly.
const std::string one_loop =
    "5 9.980000 epoll_ctl(6, EPOLL_CTL_ADD, 3, {events=EPOLLIN, data={u32=1}}) = 0 <0.000004>\n"
    "5 9.990100 epoll_wait(6, [{events=EPOLLIN}], 256, -1) = 1 <0.010000>\n"
    "5 10.000200 accept4(3, NULL, NULL, SOCK_CLOEXEC|SOCK_NONBLOCK) = 7 <0.000007>\n"
    "5 10.000300 epoll_ctl(6, EPOLL_CTL_ADD, 7, {events=EPOLLIN, data={u32=2}}) = 0 <0.000004>\n"
    "5 10.000400 accept4(3, NULL, NULL, SOCK_CLOEXEC|SOCK_NONBLOCK) = 8 <0.000007>\n"
    "5 10.000500 epoll_ctl(6, EPOLL_CTL_ADD, 8, {events=EPOLLIN, data={u32=3}}) = 0 <0.000004>\n"
    "5 10.000600 epoll_wait(6, [{events=EPOLLIN}], 256, 60000) = 1 <0.020000>\n"
    "5 10.020700 recvfrom(7, \"GET /spin\", 16384, 0, NULL, NULL) = 35 <0.000010>\n"
    "5 10.120800 sendto(7, \"HTTP/1.1\", 150, 0, NULL, 0) = 150 <0.000010>\n"
    "5 10.120900 epoll_wait(6, [{events=EPOLLIN}], 256, 60000) = 1 <0.000010>\n"
    "5 10.121000 recvfrom(8, \"GET /byte\", 16384, 0, NULL, NULL) = 40 <0.000010>\n"
    "5 10.121100 sendto(8, \"HTTP/1.1\", 32768, 0, NULL, 0) = 20000 <0.000010>\n"
    "5 10.121200 epoll_ctl(6, EPOLL_CTL_MOD, 8, {events=EPOLLOUT, data={u32=3}}) = 0 <0.000004>\n"
    "5 10.121300 epoll_wait(6, [{events=EPOLLOUT}], 256, 60000) = 1 <0.030000>\n"
    "5 10.151400 sendto(8, \"0000\", 12768, 0, NULL, 0) = 12768 <0.000010>\n"
    "# server: y\n"
    "# A 10.000000 connects\n"
    "# B 10.000050 connects\n"
    "# A 10.020600 asks\n"
    "# A 10.120850 has its answer\n"
    "# B 10.152000 leaves\n";

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

// The picture and the page show every stretch, and the page keeps to its width.
void check_drawings(const Timeline& timeline) {
  const std::string picture = draw_svg(timeline);
  for (const Lane& lane : timeline.threads)
    for (const Stretch& one : lane.stretches)
      CHECK(picture.find("<title>" + one.title.substr(0, one.title.find('\n'))) != picture.npos);
  std::istringstream page(draw_text(timeline, {false, false}));
  for (std::string line; std::getline(page, line);) {
    CHECK(line.size() <= screen_width);
    CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  }
}

void check_timeline(const Timeline& timeline, const Program& server) {
  CAPTURE(timeline.server);
  check_drawings(timeline);
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

}  // namespace

TEST_CASE("timeline: threads, each call in one line of the trace or in two") {
  const Timeline timeline = timeline_of(two_threads);
  check_drawings(timeline);
  CHECK(timeline.server == "x");
  CHECK(timeline.machine == "M; Linux 6.18; 2026-11-26");
  CHECK(timeline.length == 312'500);
  REQUIRE(timeline.threads.size() == 2);
  const Lane& accepts = timeline.threads[0];
  CHECK(accepts.name == "accepts");
  const Stretch& idle = longest(accepts, State::parked);
  CHECK(idle.word == "poll");
  CHECK(idle.about == "new clients");
  CHECK(idle.begin == 500);
  CHECK(idle.end == timeline.length);  // it was under way when the server ended
  const Lane& own = lane_of(timeline.threads, 'A');
  CHECK(own.name == "A's thread");
  CHECK(own.stretches.front().begin == 200);
  CHECK(own.stretches.front().end == 10'200);
  CHECK(own.stretches.back().end == 312'000);
  const Stretch& row = longest(own, State::parked);
  CHECK(row.word == "recv");
  CHECK(row.about == "A's backend");
  CHECK(row.end - row.begin == 300'265);
  CHECK(row.title.find("recvfrom(11, \"HTTP/1.1\", 1024, 0, NULL, NULL) = 162") !=
        std::string::npos);
}

TEST_CASE("timeline: a loop works for whoever it has last made a call for") {
  const Timeline timeline = timeline_of(one_loop);
  check_drawings(timeline);
  REQUIRE(timeline.threads.size() == 1);
  std::string turns;
  std::string waits;
  for (const Stretch& one : timeline.threads[0].stretches) {
    if (one.state == State::working) turns += one.letter;
    if (one.state == State::parked) waits += one.word + " for " + one.about + "\n";
  }
  CHECK(turns == "ABABB");
  CHECK(waits ==
        "epoll_wait for new clients\n"
        "epoll_wait for new clients, A, B\n"
        "epoll_wait for new clients, A, B (room)\n");
  CHECK(longest(timeline.threads[0], State::working).letter == 'A');
  CHECK(longest(lane_of(timeline.clients, 'A'), State::waiting).end == 120'850);
  CHECK(draw_text(timeline, {true, true}).find("\033[31;7mA\033[m") != std::string::npos);
}

TEST_CASE("timeline: what is no trace is refused, with the line") {
  const std::string somebody = "# A 10.000000 connects\n";
  for (const char* line : {"hello", "7 10.0001 x", "7 10.000100 <... recvfrom resumed>) = 1", "# "})
    CHECK_THROWS_WITH_AS(timeline_of(somebody + line),
                         (std::string("not a line of a trace: ") + line).c_str(),
                         std::runtime_error);
  CHECK_THROWS_AS(timeline_of(""), std::runtime_error);
}

TEST_CASE("timeline: the scene, played on every server") {
  if (find_on_path("strace").empty()) {
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
    std::ifstream trace(file);
    check_timeline(read_timeline(trace), server);
  }
  std::filesystem::remove(file);
}
