// containment.hpp — what a program of somebody else's can reach while it is graded.
//
// Gives: a network with nothing but loopback, folders that it cannot see, no privileges, an empty
//        environment, a folder of its own to write in, and limits; each where the system lets us.
// Do not: take it for a prison. It holds accidents and the usual tricks. For unknown code use a
//        virtual machine.
#pragma once

#include <string>
#include <vector>

struct Containment {
  bool is_wanted = false;
  std::vector<std::string> hidden;  // folders: results, solutions, what others have handed in
};

// For this process and all that come from it. False if the system does not let us.
bool enter_empty_network();

// Can a process here be kept from seeing a folder?
bool can_hide_folders();

// Hides them from this process and all that come from it, as far as the system lets us.
bool hide_folders(const std::vector<std::string>& folders);

// All of the above but the network, for a process that is about to start somebody's program;
// `room` becomes its working directory.
void contain_this_process(const Containment& containment, const std::string& room);

// A new, empty folder, gone with all that is in it when this object goes.
class Room {
 public:
  explicit Room(const std::string& parent);
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  ~Room();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// TMPDIR, or /tmp.
std::string temporary_folder();
