// Leaves a process behind in a session of its own, which spins.
#include <unistd.h>

int main() {
  if (fork() == 0) {
    setsid();
    if (fork() == 0) {
      execl("/bin/sleep", "sleep", "777", nullptr);
      for (;;) pause();
    }
  }
  return 0;
}
