// child.hpp — child processes of the grader.
//
// Gives: a child that does one thing and says through a pipe how it went, whatever happens to it;
//        and a program run with bounded time, memory and output.
// Do not: put such a child's work into this process. What it runs may crash, hang or be killed.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/kit/forked.hpp"
#include "tests/kit/observe.hpp"

class Child {
 public:
  // Forks. The child leads a process group of its own, adopts what its descendants leave behind,
  // ends with its parent, and sends what `work` returns.
  explicit Child(const std::function<std::string()>& work, Pipe pipe = new_pipe());

  pid_t process() const { return forked_.pid(); }
  int fd() const { return pipe_.fd(); }  // readable when there is something to take
  const std::string& received() const { return received_; }

  bool take();                           // false at the end
  const std::string& take_all();         // and waits for it
  int wait() { return forked_.wait(); }  // its status
  void kill() { forked_.kill(); }        // with what is in its process group

 private:
  Descriptor pipe_;
  Forked forked_;
  std::string received_;
};

// What `work` returns, from a process that sees and reaches none but those that come from it. Where
// that process is killed, nothing. Only where can_own_processes() holds; the rest of this process'
// life is over with it.
std::string in_own_processes(const std::function<std::string()>& work);

// Takes one whose child has ended out of those that run, and ends what the child has left behind,
// which is ours now. Gives its status, too. A Running has a Child, named `child`.
template <class Running>
std::pair<Running, int> take_ended(std::vector<Running>& running, std::size_t place) {
  Running one = std::move(running[place]);
  running.erase(running.begin() + static_cast<std::ptrdiff_t>(place));
  one.child.kill();  // it has ended; what is left of its process group has not
  const int status = one.child.wait();
  std::vector<pid_t> spared;
  for (const Running& other : running) spared.push_back(other.child.process());
  kill_descendants(spared);
  return {std::move(one), status};
}

// Runs a program with nothing to read, its output in a file (or where ours goes), and whatever
// `confine` makes of the process before. Its exit status, or -1 if it had to be ended.
int run_bounded(const std::vector<std::string>& words, const std::string& output_path,
                double most_seconds, const std::function<void()>& confine = {});
