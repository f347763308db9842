// Listens, answers nobody, and does not end on SIGTERM.
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "common/program.hpp"

using namespace two_ways;

int main(int, char**) {
  signal(SIGTERM, SIG_IGN);
  Options options;
  options.port = 0;
  const Descriptor listener = open_listener(options);
  announce(listener.fd());
  for (;;) pause();
}
