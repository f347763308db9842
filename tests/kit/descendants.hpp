// descendants.hpp — what a process has started, and what those have started.
//
// Linux tells (/proc/PID/task/TID/children). Elsewhere the lists are empty, and what a program has
// started is only reached through its process group.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <vector>

// Does this system tell who comes from whom? Elsewhere there is never anybody.
bool tells_of_descendants();
std::vector<pid_t> descendants_of(pid_t process);

// Orphans among our descendants become our children from now on, instead of init's.
void adopt_orphans();

// Kills every descendant of this process except `spared` and theirs, and collects them. Bounded.
void kill_descendants(const std::vector<pid_t>& spared);

std::size_t resident_kib_of(pid_t process);
