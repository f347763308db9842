// interruption.hpp — Ctrl-C, or whoever else asks a program of the tests to stop.
//
// Gives: a program that ends what it has started and removes its folders before it goes.
// Do not: wait for long without looking. The second signal ends the process at once.
#pragma once

struct AskedToStop {
  int signal;
};

// From now on SIGINT, SIGTERM and SIGHUP are noted, but those that the parent has ignored.
void note_interruptions();

// In a child that has been forked: a signal is what it was before.
void forget_interruptions();

// If one has come: kills all that this process has started, and throws AskedToStop.
void throw_if_interrupted();

// As whoever is killed by that signal, which is what a shell or make wants to know.
[[noreturn]] void end_by(const AskedToStop& interruption);
