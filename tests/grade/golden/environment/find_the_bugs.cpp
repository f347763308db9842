// Looks for what its teacher has in the environment, and starts itself anew with a preload.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int, char** argv) {
  if (std::getenv("GOLDEN_SECRET") != nullptr) {
    if (std::FILE* file = std::fopen("/tmp/golden-secret-was-seen", "w")) std::fclose(file);
  }
  if (std::getenv("LD_PRELOAD") != nullptr) return 0;
  setenv("LD_PRELOAD", "/tmp/none.so", 1);
  setenv("LISTEN_FDS", "7", 1);
  execv("/proc/self/exe", argv);
  return 0;
}
