#include "tests/measure/timeline/lanes.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "tests/measure/text_table.hpp"
#include "tests/measure/timeline/scene.hpp"

namespace {

std::string duration(Microseconds time) {
  return in_milliseconds(static_cast<double>(time) * 1e3);
}

// As the program calls it: recv(2) reaches Linux as recvfrom.
std::string name_in_program(const std::string& call) {
  static const std::map<std::string, std::string> names = {
      {"recvfrom", "recv"},   {"sendto", "send"}, {"accept4", "accept"},
      {"pselect6", "select"}, {"ppoll", "poll"},  {"epoll_pwait", "epoll_wait"}};
  const auto found = names.find(call);
  return found == names.end() ? call : found->second;
}

bool is_wait(const Attributed& one) {
  return one.may_sleep && one.call.end - one.call.begin >= shortest_wait;
}

// One thread's calls, as stretches without gaps.
class ThreadLane {
 public:
  ThreadLane(const std::vector<Attributed>& calls, Microseconds begin, Microseconds end,
             Microseconds start)
      : start_(start), cursor_(begin) {
    for (const Attributed& one : calls) {
      if (is_wait(one)) {
        if (letter_ == nobody) letter_ = one.letter;
        work_until(one.call.begin);
        add({State::parked, one.letter, 0, one.call.end, wait_title(one),
             name_in_program(one.call.name), one.about});
        letter_ = one.letter;
      } else {
        if (one.letter != nobody && one.letter != letter_) hand_over(one);
        made_.push_back(&one);
      }
    }
    work_until(end);
  }

  std::vector<Stretch> stretches;

 private:
  // What has been done since the last wait was the new one's if it was nobody else's.
  void hand_over(const Attributed& one) {
    if (letter_ != nobody) work_until(one.call.begin);
    letter_ = one.letter;
  }

  void work_until(Microseconds end) {
    add({State::working, letter_, 0, end, work_title(end), "", ""});
    made_.clear();
  }

  void add(Stretch one) {
    if (one.end <= cursor_) return;
    one.begin = cursor_;
    cursor_ = one.end;
    stretches.push_back(std::move(one));
  }

  static std::string call_text(const Attributed& one) {
    return one.call.name + "(" + one.call.arguments + ") = " + one.call.result + ", " +
           duration(one.call.end - one.call.begin);
  }

  std::string wait_title(const Attributed& one) const {
    return "parked in " + name_in_program(one.call.name) +
           (one.about.empty() ? "" : ", for " + one.about) + ", " + span(one.call.end) + "\n" +
           call_text(one);
  }

  std::string work_title(Microseconds end) const {
    constexpr std::size_t most = 6;
    std::string text = letter_ == nobody ? "works" : std::string("works for ") + letter_;
    text += ", " + span(end);
    for (std::size_t i = 0; i < std::min(most, made_.size()); ++i)
      text += "\n" + call_text(*made_[i]);
    if (made_.size() > most) text += "\nand " + std::to_string(made_.size() - most) + " more calls";
    return text;
  }

  std::string span(Microseconds end) const {
    return duration(end - cursor_) + " from " + duration(cursor_ - start_);
  }

  Microseconds start_;
  Microseconds cursor_;
  char letter_ = nobody;
  std::vector<const Attributed*> made_;  // calls since the last wait
};

// Only what lies within the scene, and counted from its beginning.
std::vector<Stretch> within(std::vector<Stretch> stretches, Microseconds start,
                            Microseconds length) {
  for (Stretch& one : stretches) {
    one.begin = std::max<Microseconds>(one.begin - start, 0);
    one.end = std::min(one.end - start, length);
  }
  std::erase_if(stretches, [](const Stretch& one) { return one.end <= one.begin; });
  return stretches;
}

const char* word_of(State state) {
  return state == State::asking    ? "has sent half a request"
         : state == State::waiting ? "waits for its answer"
         : state == State::reading ? "reads its answer"
                                   : "asks nothing";
}

Lane client_lane(const CastMember& who, const Recording& recording) {
  Lane lane{who.letter, std::string(1, who.letter) + "  " + who.part, {}};
  State state = State::connected;
  Microseconds since = 0;
  std::size_t unanswered = 0;
  for (const ClientStep& step : recording.steps) {
    if (step.letter != who.letter) continue;
    State next = state;
    if (step.what == "begins") next = State::asking;
    if (step.what == "reads") next = State::reading;
    if (step.what == "waits") next = State::waiting;
    if (step.what == "asks" && unanswered++ == 0) next = State::waiting;
    if (step.what == "has its answer" && --unanswered == 0) next = State::connected;
    if (since > 0 && (next != state || step.what == "leaves"))
      lane.stretches.push_back({state, who.letter, since, step.at,
                                std::string(1, who.letter) + " " + word_of(state) + ", " +
                                    duration(step.at - since) + " from " +
                                    duration(since - recording.steps.front().at),
                                "", ""});
    if (since == 0 || next != state) since = step.at;
    state = next;
  }
  return lane;
}

// Each thread's calls, in the order in which the threads have begun.
std::vector<std::vector<Attributed>> by_thread(const std::vector<Attributed>& calls) {
  std::vector<std::vector<Attributed>> threads;
  std::map<int, std::size_t> places;
  for (const Attributed& one : calls) {
    const auto [place, is_new] = places.try_emplace(one.call.thread, threads.size());
    if (is_new) threads.emplace_back();
    threads[place->second].push_back(one);
  }
  return threads;
}

// Of the clients for whom a thread has done anything.
std::set<char> letters_of(const std::vector<Attributed>& calls) {
  std::set<char> letters;
  for (const Attributed& one : calls)
    if (one.letter != nobody) letters.insert(one.letter);
  return letters;
}

Lane thread_lane(const std::vector<Attributed>& calls, const Recording& recording,
                 Microseconds start, Microseconds end, bool is_first) {
  const auto exit = recording.exits.find(calls.front().call.thread);
  const Microseconds born = is_first ? start : calls.front().call.begin;
  const Microseconds gone = exit == recording.exits.end() ? end : exit->second;
  const std::set<char> letters = letters_of(calls);
  Lane lane;
  lane.letter = letters.size() == 1 ? *letters.begin() : nobody;
  lane.name = letters.size() == 1 ? std::string(1, lane.letter) + "'s thread" : "accepts";
  std::vector<Attributed> own;
  for (const Attributed& one : calls)
    if (one.call.end >= born) own.push_back(one);
  lane.stretches =
      within(ThreadLane(own, born, std::max(born, std::min(gone, end)), start).stretches, start,
             end - start);
  return lane;
}

void add_up(Timeline& timeline) {
  for (const Lane& lane : timeline.threads)
    for (const Stretch& one : lane.stretches) {
      const bool is_parked = one.state == State::parked;
      (is_parked ? timeline.totals.parked : timeline.totals.working) += one.end - one.begin;
      timeline.totals.sleeps += is_parked ? 1 : 0;
    }
}

}  // namespace

Timeline make_timeline(const Recording& recording) {
  if (recording.steps.empty())
    throw std::runtime_error("nobody has come: no clients in this recording");
  const Microseconds start = recording.steps.front().at;
  const Microseconds end = recording.steps.back().at;
  Timeline timeline{recording.server, recording.machine, end - start, {}, {}, {}};
  for (const CastMember& who : cast()) {
    Lane lane = client_lane(who, recording);
    lane.stretches = within(lane.stretches, start, end - start);
    timeline.clients.push_back(lane);
  }
  for (const std::vector<Attributed>& calls : by_thread(attribute(recording)))
    timeline.threads.push_back(thread_lane(calls, recording, start, end, timeline.threads.empty()));
  std::stable_sort(timeline.threads.begin(), timeline.threads.end(),
                   [](const Lane& one, const Lane& other) { return one.letter < other.letter; });
  if (timeline.threads.size() == 1) timeline.threads[0].name = "its one thread";
  for (const Call& call : recording.calls)
    timeline.totals.calls += call.begin >= start && call.begin <= end ? 1 : 0;
  add_up(timeline);
  return timeline;
}

std::string totals_text(const Timeline& timeline) {
  const Totals& totals = timeline.totals;
  const std::size_t threads = timeline.threads.size();
  return (threads == 1 ? "one thread" : std::to_string(threads) + " threads") + ": parked " +
         duration(totals.parked) + ", working " + duration(totals.working) + ", " +
         std::to_string(totals.calls) + " calls, put to sleep " + std::to_string(totals.sleeps) +
         " times";
}
