// containment.hpp — what a program of somebody else's can reach while it is graded.
//
// Gives: a network with nothing but loopback, folders that it cannot see, processes that it cannot
//        reach, a /tmp that nobody else sees, no privileges, an empty environment, a folder of its
//        own to write in, and limits; each where the system lets us.
// Do not: take it for a prison. It holds accidents and the usual tricks. For unknown code use a
//        virtual machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct Containment {
  bool is_wanted = false;
  std::vector<std::string> hidden;     // folders: results, solutions, what others have handed in
  std::vector<std::string> unchanged;  // folders that it may read: the project and what was built
  bool hides = false;                  // this and the next: what try_out() has found to work here
  bool changes_user = false;           // from root to nobody's user
};

// Throws std::invalid_argument if hiding `folders` would hide what a check needs: one of `needed`,
// or where the checks put their files.
void refuse_to_hide(const std::vector<std::string>& folders,
                    const std::vector<std::string>& needed);

// Finds out, in processes that end, what of it this system allows for rooms inside `parent`.
void try_out(Containment& containment, const std::string& parent);

// For this process and all that come from it. False, and we are where we were, if the system does
// not let us.
bool enter_empty_network();

// Would enter_own_processes() and show_own_processes() work?
bool can_own_processes();

// The next child of this process is the first one of a namespace of processes: what comes from it
// sees and reaches no others, and ends with it. Throws CallFailed.
void enter_own_processes();
void show_own_processes();  // in that child: a /proc of its own

// What of this holds, for a teacher to read: `hidden` names what is to be hidden.
std::string what_holds(const Containment& tried_out, bool has_own_network,
                       const std::string& hidden);

// Throws std::runtime_error if nobody can connect to 127.0.0.1 here: then no server could pass.
void expect_loopback();

// For this process, and all that come from it.
void forget_environment_but(const std::vector<std::string>& kept);

// What try_out() has found to work, without privileges, in an empty environment, for a process that
// is about to start somebody's program; `room` becomes its working directory.
void contain_this_process(const Containment& containment, const std::string& room);

// The same for a compiler of somebody's file, or what else reads it. It stays in the folder that we
// are in, and keeps what a compiler needs of the environment.
void contain_reader(const Containment& containment, const std::string& room);

// Copies a file that somebody else may have put there, as one of ours: no link, no FIFO, no device
// is followed or opened. Throws std::runtime_error if it is none of `most` bytes at most.
void copy_file_of_others(const std::string& from, const std::string& to, unsigned mode,
                         std::uintmax_t most);

// A new, empty folder, gone with all that is in it when this object goes. Other users can pass
// through it, if they know what to look for.
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

// With all that is in it, also if somebody has locked folders in there.
void remove_folder(const std::string& path);

// TMPDIR, or /tmp.
std::string temporary_folder();
