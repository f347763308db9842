// Prints what its teacher has in the environment, and starts itself anew with a preload.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int, char** argv) {
  if (const char* secret = std::getenv("GOLDEN_SECRET")) std::puts(secret);
  if (std::getenv("LD_PRELOAD") != nullptr) return 0;
  setenv("LD_PRELOAD", "/tmp/none.so", 1);
  setenv("LISTEN_FDS", "7", 1);
  execv("/proc/self/exe", argv);
  return 0;
}
