// scene.hpp — the same short scene for every server, played under strace(1).
//
// Gives: five clients that a reader can tell apart, and one file that holds what happened: a line
//        of strace for each call of the server, and a line "# B 1795718019.210907 asks" for each
//        step of a client, on the same clock. timeline.hpp reads it.
// Do:    add a client by its line in the cast and its steps in Player::play; scene.cpp has both.
//        They connect in the order of their letters, and that is how a trace tells who is who:
//        the listener's queue keeps it.
// Do not: time anything by it. strace stops the server at each call and makes it slower.
#pragma once

#include <span>
#include <string>

struct CastMember {
  char letter;
  const char* part;  // what it does, in a word or two
};
std::span<const CastMember> cast();

// Plays it on one of our servers and writes the trace. Throws StartFailed, CallFailed, Failed.
void play_scene(const std::string& directory, const std::string& server, const std::string& file);
