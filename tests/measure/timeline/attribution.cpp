#include "tests/measure/timeline/attribution.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace {

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

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

// What is open, as the calls go by in the order in which they take effect.
class Follower {
 public:
  explicit Follower(const Recording& recording) {
    for (const Call& call : recording.calls)
      if (call.name.starts_with("accept")) listeners_.insert(first_number(call));
    for (const ClientStep& step : recording.steps)
      if (step.what == "connects") queue_ += step.letter;
  }

  void begin(Attributed& one) {
    const Call& call = one.call;
    if (call.name == "futex") {
      one.about = "another thread";
      one.may_sleep = true;
    } else if (is_one_of(call.name,
                         {"poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait"})) {
      one.about =
          names_of(call.name.starts_with("epoll")             ? registered_
                   : call.name.find("poll") != call.name.npos ? interest_of_poll(call.arguments)
                                                              : interest_of_select(call.arguments));
      one.may_sleep = true;
    } else {
      begin_with_descriptor(one);
    }
  }

  void finish(Attributed& one) {
    const Call& call = one.call;
    const int fd = std::atoi(call.result.c_str());
    if (!call.name.starts_with("accept") || fd < 0 || accepted_ == queue_.size()) return;
    const bool blocks = call.arguments.find("SOCK_NONBLOCK") == call.arguments.npos;
    opened_[fd] = {queue_[accepted_++], false, blocks};
    describe(one, fd);
  }

 private:
  struct Opened {
    char letter = nobody;
    bool is_backend = false;
    bool blocks = true;
  };

  static int first_number(const Call& call) { return std::atoi(call.arguments.c_str()); }

  void begin_with_descriptor(Attributed& one) {
    const Call& call = one.call;
    const int fd = call.name == "epoll_ctl" ? register_interest(call) : first_number(call);
    Opened& opened = opened_[fd];
    if (call.name == "connect") opened = {last_[call.thread], true, opened.blocks};
    if (call.name == "fcntl" && call.arguments.find("F_SETFL") != call.arguments.npos)
      opened.blocks = call.arguments.find("O_NONBLOCK") == call.arguments.npos;
    describe(one, fd);
    one.may_sleep = opened.blocks && !one.about.empty() &&
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

  void describe(Attributed& one, int fd) {
    one.letter = opened_[fd].letter;
    one.about = name_of(fd);
    if (one.letter != nobody) last_[one.call.thread] = one.letter;
  }

  std::string name_of(int fd) {
    if (listeners_.count(fd) > 0) return "new clients";
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

  std::set<int> listeners_;
  std::string queue_;  // letters, as they have connected
  std::size_t accepted_ = 0;
  std::map<int, Opened> opened_;
  Interest registered_;       // with epoll
  std::map<int, char> last_;  // for whom a thread has last made a call
};

}  // namespace

std::vector<Attributed> attribute(const Recording& recording) {
  std::vector<Attributed> calls;
  for (const Call& call : recording.calls) calls.push_back({call, nobody, "", false});
  std::vector<Attributed*> ends;
  for (Attributed& one : calls) ends.push_back(&one);
  std::stable_sort(ends.begin(), ends.end(), [](const Attributed* one, const Attributed* other) {
    return one->call.end < other->call.end;
  });
  Follower follower(recording);
  auto next = ends.begin();
  for (Attributed& one : calls) {
    for (; next != ends.end() && (*next)->call.end <= one.call.begin; ++next)
      follower.finish(**next);
    follower.begin(one);
  }
  for (; next != ends.end(); ++next) follower.finish(**next);
  return calls;
}
