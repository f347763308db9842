// Closes the listener that it was handed.
#include <unistd.h>

#include "common/program.hpp"

using namespace two_ways;

int main(int, char**) {
  close(3);
  Options options;
  options.port = 0;
  const Descriptor listener = listen_on(options.address, options.port);
  announce(listener.fd());
  for (;;) pause();
}
