#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <istream>
#include <map>
#include <regex>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "tests/measure/text_table.hpp"
#include "tests/measure/timeline/scene.hpp"
#include "tests/measure/timeline/timeline.hpp"

namespace {

std::string duration(Microseconds time) {
  return in_milliseconds(static_cast<double>(time) * 1e3);
}

// "1795718260.613448"
Microseconds time_of(const std::string& seconds) {
  const std::size_t point = seconds.find('.');
  return std::stoll(seconds.substr(0, point)) * 1'000'000 + std::stoll(seconds.substr(point + 1));
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

struct Call {
  std::string name = {};
  std::string arguments = {};  // without the brackets around them
  std::string result = {};     // "27", "-1 EAGAIN (Resource temporarily unavailable)"
  Microseconds begin = 0;
  Microseconds end = 0;
  char letter = nobody;    // for whom it was made
  std::string about = {};  // see Stretch
  bool may_sleep = false;  // it waits for many, or its descriptor is somebody's and blocks

  bool is_wait() const { return may_sleep && end - begin >= shortest_wait; }
};

// -- for whom a call was made --

// Descriptor, and whether room to send is waited for instead of bytes.
using Interest = std::map<int, bool>;

// "[{fd=3, events=POLLIN}, {fd=10, events=POLLOUT}], 2, -1"
Interest interest_of_poll(std::string_view text) {
  Interest wanted;
  for (std::size_t at = text.find("fd="); at < text.size(); at = text.find("fd=", at + 1)) {
    const std::string_view entry = text.substr(at, text.find('}', at) - at);
    wanted[std::atoi(entry.data() + 3)] = entry.find("POLLOUT") != entry.npos;
  }
  return wanted;
}

// "11, [3 4 6], [10], NULL, NULL, NULL"
Interest interest_of_select(std::string_view text) {
  Interest wanted;
  bool is_room = false;
  for (std::size_t at = text.find('['); at < text.size() && text[at] != 'N'; ++at) {
    if (text[at] == ']' && std::exchange(is_room, true)) break;
    if (std::isdigit(text[at]) && !std::isdigit(text[at - 1]))
      wanted[std::atoi(text.data() + at)] = is_room;
  }
  return wanted;
}

// What is open, as the calls go by.
class Descriptors {
 public:
  void begin(Call& call, char& last) {
    if (call.name == "futex") {
      call.about = "another thread";
      call.may_sleep = true;
    } else if (is_one_of(call.name,
                         {"poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait"})) {
      call.about =
          names_of(call.name.starts_with("epoll")             ? registered_
                   : call.name.find("poll") != call.name.npos ? interest_of_poll(call.arguments)
                                                              : interest_of_select(call.arguments));
      call.may_sleep = true;
    } else {
      begin_with_descriptor(call, last);
    }
  }

  void finish(Call& call, char& last) {
    const int fd = std::atoi(call.result.c_str());
    if (!call.name.starts_with("accept") || fd < 0 || accepted_ == cast().size()) return;
    const bool blocks = call.arguments.find("SOCK_NONBLOCK") == call.arguments.npos;
    opened_[fd] = {cast()[accepted_++].letter, false, blocks};
    describe(call, fd, last);
  }

 private:
  static constexpr int listener = 3;  // the scene hands it down

  struct Opened {
    char letter = nobody;
    bool is_backend = false;
    bool blocks = true;
  };

  // `last`: for whom this thread has last made a call.
  void begin_with_descriptor(Call& call, char& last) {
    const int fd =
        call.name == "epoll_ctl" ? register_interest(call) : std::atoi(call.arguments.c_str());
    Opened& opened = opened_[fd];
    if (call.name == "connect") opened = {last, true, opened.blocks};
    if (call.name == "fcntl" && call.arguments.find("F_SETFL") != call.arguments.npos)
      opened.blocks = call.arguments.find("O_NONBLOCK") == call.arguments.npos;
    describe(call, fd, last);
    call.may_sleep = opened.blocks && !call.about.empty() &&
                     is_one_of(call.name, {"recvfrom", "sendto", "read", "write", "accept",
                                           "accept4", "connect"});
    // The number is free before close has come back: another thread's accept may return it first.
    if (call.name != "close") return;
    opened_.erase(fd);
    registered_.erase(fd);
  }

  // "5, EPOLL_CTL_ADD, 7, {events=EPOLLIN, data=...}". The descriptor.
  int register_interest(const Call& call) {
    const std::string_view text = call.arguments;
    const std::size_t comma = text.find(", ", text.find("EPOLL_CTL"));
    const int fd = std::atoi(text.data() + comma + 2);
    registered_[fd] = text.find("EPOLLOUT") != text.npos;
    if (text.find("EPOLL_CTL_DEL") != text.npos) registered_.erase(fd);
    return fd;
  }

  void describe(Call& call, int fd, char& last) {
    call.letter = opened_[fd].letter;
    call.about = name_of(fd);
    if (call.letter != nobody) last = call.letter;
  }

  std::string name_of(int fd) {
    if (fd == listener) return "new clients";
    const Opened& opened = opened_[fd];
    if (opened.letter == nobody) return "";
    return std::string(1, opened.letter) + (opened.is_backend ? "'s backend" : "");
  }

  std::string names_of(const Interest& wanted) {
    std::string words;
    for (const auto& [fd, is_room] : wanted) {
      const std::string name = name_of(fd);
      if (!name.empty()) words += (words.empty() ? "" : ", ") + name + (is_room ? " (room)" : "");
    }
    return words;
  }

  std::size_t accepted_ = 0;
  std::map<int, Opened> opened_;
  Interest registered_;  // with epoll
};

// -- lanes --

// As the program calls it: recv(2) reaches Linux as recvfrom.
std::string name_in_program(const std::string& call) {
  static const std::map<std::string, std::string> names = {
      {"recvfrom", "recv"},   {"sendto", "send"}, {"accept4", "accept"},
      {"pselect6", "select"}, {"ppoll", "poll"},  {"epoll_pwait", "epoll_wait"}};
  const auto found = names.find(call);
  return found == names.end() ? call : found->second;
}

// One thread's calls, as stretches without gaps.
class Thread {
 public:
  Thread(Microseconds begin, Microseconds start) : start_(start), cursor_(begin) {}

  void add(const Call& call) {
    if (call.end < cursor_) return;  // before the scene
    if (call.letter != nobody) letters_.insert(call.letter);
    if (call.is_wait()) {
      if (letter_ == nobody) letter_ = call.letter;
      work_until(call.begin);
      add({State::parked, call.letter, 0, call.end, wait_title(call), name_in_program(call.name),
           call.about});
      letter_ = call.letter;
    } else {
      if (call.letter != nobody && call.letter != letter_) hand_over(call);
      made_.push_back(call);
    }
  }

  Lane finish(Microseconds end) {
    work_until(std::max(cursor_, std::min(gone, end)));
    const bool is_one = letters_.size() == 1;
    return {is_one ? *letters_.begin() : nobody,
            is_one ? std::string(1, *letters_.begin()) + "'s thread" : "accepts",
            std::move(stretches_)};
  }

  Call current;  // under way, or the last
  bool is_in_call = false;
  char last = nobody;  // for whom it has last made a call
  Microseconds gone = INT64_MAX;

 private:
  // What has been done since the last wait was the new one's if it was nobody else's.
  void hand_over(const Call& next) {
    if (letter_ != nobody) work_until(next.begin);
    letter_ = next.letter;
  }

  void work_until(Microseconds end) {
    add({State::working, letter_, 0, end, work_title(end), "", ""});
    made_.clear();
  }

  void add(Stretch one) {
    if (one.end <= cursor_) return;
    one.begin = cursor_;
    cursor_ = one.end;
    stretches_.push_back(std::move(one));
  }

  static std::string text_of(const Call& one) {
    return one.name + "(" + one.arguments + ") = " + one.result + ", " +
           duration(one.end - one.begin);
  }

  std::string wait_title(const Call& one) const {
    return "parked in " + name_in_program(one.name) +
           (one.about.empty() ? "" : ", for " + one.about) + ", " + span(one.end) + "\n" +
           text_of(one);
  }

  std::string work_title(Microseconds end) const {
    constexpr std::size_t most = 6;
    std::string text = letter_ == nobody ? "works" : std::string("works for ") + letter_;
    text += ", " + span(end);
    for (std::size_t i = 0; i < std::min(most, made_.size()); ++i) text += "\n" + text_of(made_[i]);
    if (made_.size() > most) text += "\nand " + std::to_string(made_.size() - most) + " more calls";
    return text;
  }

  std::string span(Microseconds end) const {
    return duration(end - cursor_) + " from " + duration(cursor_ - start_);
  }

  Microseconds start_;
  Microseconds cursor_;
  char letter_ = nobody;
  std::vector<Call> made_;  // since the last wait
  std::set<char> letters_;  // of all for whom it has made a call
  std::vector<Stretch> stretches_;
};

struct ClientStep {
  char letter = 0;
  Microseconds at = 0;
  std::string what;  // "asks"
};

const char* word_of(State state) {
  return state == State::asking    ? "has sent half a request"
         : state == State::waiting ? "waits for its answer"
         : state == State::reading ? "reads its answer"
                                   : "asks nothing";
}

Lane client_lane(const CastMember& who, const std::vector<ClientStep>& steps) {
  Lane lane{who.letter, std::string(1, who.letter) + "  " + who.part, {}};
  State state = State::connected;
  Microseconds since = 0;
  std::size_t unanswered = 0;
  for (const ClientStep& step : steps) {
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
                                    duration(since - steps.front().at),
                                "", ""});
    if (since == 0 || next != state) since = step.at;
    state = next;
  }
  return lane;
}

// -- the trace, line by line --

class Reader {
 public:
  // These return false for a line that they do not understand. All notes come first.

  bool read_note(const std::string& line) {
    static const std::regex step("([A-Z]) ([0-9]+\\.[0-9]{6}) (.*)");
    static const std::regex header("([a-z]+): (.*)");
    std::smatch part;
    if (std::regex_match(line, part, step)) {
      steps_.push_back({line[0], note_time(part[2]), part[3]});
      return true;
    }
    if (!std::regex_match(line, part, header)) return false;
    const std::string value = part[2];
    if (part[1] == "server") found_.server = value;
    if (part[1] == "machine") found_.machine = value;
    // "Linux 6.18.44 x86_64" and "2026-11-26 18:37 UTC": the version and the day say enough.
    if (part[1] == "kernel")
      found_.machine += "; " + value.substr(0, value.find_first_of(".-", value.find('.') + 1));
    if (part[1] == "date") found_.machine += "; " + value.substr(0, value.find(' '));
    return true;
  }

  // "21623 1795718260.613448 recvfrom(10, "GET", 1024) = 27 <0.000019>" is a whole call;
  // "21623 1795718260.613448 recvfrom(10,  <unfinished ...>" is its first half, and
  // "21623 1795718260.653223 <... recvfrom resumed>"GET", 1024) = 27 <0.039775>" its second.
  bool read_call(const std::string& line) {
    static const std::regex event("([0-9]+) +([0-9]+\\.[0-9]{6}) (.*)");
    static const std::regex call(
        "(?:(\\w+)\\(|<\\.\\.\\. \\w+ resumed>)(.*)"
        "(?: <unfinished \\.\\.\\.>|\\) += (.*?)(?: <([0-9]+\\.[0-9]{6})>)?)");
    std::smatch part;
    if (!std::regex_match(line, part, event)) return false;
    const Microseconds now = note_time(part[2]);
    Thread& thread = thread_of(std::stoi(part[1]), now);
    const std::string what = part[3];
    if (what.starts_with("+++")) {
      thread.gone = now;
      return true;
    }
    if (!std::regex_match(what, part, call)) return false;
    const bool begins = part[1].matched;
    if (!begins && !thread.is_in_call) return false;
    if (begins) thread.current = {.name = part[1], .begin = now};
    thread.current.arguments += part[2];
    thread.is_in_call = !part[3].matched;
    if (begins) descriptors_.begin(thread.current, thread.last);
    if (thread.is_in_call) return true;
    thread.current.result = part[3];
    thread.current.end = now + (begins && part[4].matched ? time_of(part[4]) : 0);
    end_call(thread);
    return true;
  }

  Timeline finish() {
    const Microseconds start = start_of_scene();
    const Microseconds end = steps_.back().at;
    found_.length = end - start;
    for (const CastMember& who : cast()) found_.clients.push_back(client_lane(who, steps_));
    for (Thread& thread : threads_) {
      // What was under way when the server ended has no end of its own.
      thread.current.end = last_;
      if (thread.is_in_call) end_call(thread);
      found_.threads.push_back(thread.finish(end));
    }
    for (std::vector<Lane>* lanes : {&found_.clients, &found_.threads})
      for (Lane& lane : *lanes) keep_scene(lane);
    std::stable_sort(found_.threads.begin(), found_.threads.end(),
                     [](const Lane& one, const Lane& other) { return one.letter < other.letter; });
    if (found_.threads.size() == 1) found_.threads[0].name = "its one thread";
    for (const Lane& lane : found_.threads) add_up(lane);
    return std::move(found_);
  }

 private:
  Microseconds note_time(const std::string& text) {
    const Microseconds time = time_of(text);
    last_ = std::max(last_, time);
    return time;
  }

  void end_call(Thread& thread) {
    thread.is_in_call = false;
    descriptors_.finish(thread.current, thread.last);
    thread.add(thread.current);
    const bool is_in_scene =
        thread.current.begin >= start_of_scene() && thread.current.begin <= steps_.back().at;
    found_.totals.calls += is_in_scene ? 1 : 0;
  }

  // The first thread is there when the scene begins.
  Thread& thread_of(int number, Microseconds now) {
    const auto [place, is_new] = places_.try_emplace(number, threads_.size());
    if (is_new) threads_.emplace_back(threads_.empty() ? start_of_scene() : now, start_of_scene());
    return threads_[place->second];
  }

  Microseconds start_of_scene() const {
    if (steps_.empty()) throw std::runtime_error("nobody has come: no clients in this trace");
    return steps_.front().at;
  }

  // Only what lies within the scene, and counted from its beginning.
  void keep_scene(Lane& lane) const {
    for (Stretch& one : lane.stretches) {
      one.begin = std::max<Microseconds>(one.begin - start_of_scene(), 0);
      one.end = std::min(one.end - start_of_scene(), found_.length);
    }
    std::erase_if(lane.stretches, [](const Stretch& one) { return one.end <= one.begin; });
  }

  void add_up(const Lane& lane) {
    for (const Stretch& one : lane.stretches) {
      const bool is_parked = one.state == State::parked;
      (is_parked ? found_.totals.parked : found_.totals.working) += one.end - one.begin;
      found_.totals.sleeps += is_parked ? 1 : 0;
    }
  }

  Timeline found_;
  std::vector<ClientStep> steps_;
  Descriptors descriptors_;
  std::vector<Thread> threads_;        // in the order in which they have begun
  std::map<int, std::size_t> places_;  // among them, by their numbers
  Microseconds last_ = 0;
};

}  // namespace

Timeline read_timeline(std::istream& trace) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(trace, line);) lines.push_back(line);
  // The notes stand behind the calls, and say when the scene begins.
  std::stable_partition(lines.begin(), lines.end(),
                        [](const std::string& line) { return line.starts_with("# "); });
  Reader reader;
  for (const std::string& line : lines)
    if (line.starts_with("# ") ? !reader.read_note(line.substr(2)) : !reader.read_call(line))
      throw std::runtime_error("not a line of a trace: " + line);
  return reader.finish();
}

std::string totals_text(const Timeline& timeline) {
  const Totals& totals = timeline.totals;
  const std::size_t threads = timeline.threads.size();
  return (threads == 1 ? "one thread" : std::to_string(threads) + " threads") + ": parked " +
         duration(totals.parked) + ", working " + duration(totals.working) + ", " +
         std::to_string(totals.calls) + " calls, put to sleep " + std::to_string(totals.sleeps) +
         " times";
}
