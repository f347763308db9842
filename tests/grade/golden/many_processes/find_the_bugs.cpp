// Starts processes as long as it is let, up to a bound that the machine survives.
#include <unistd.h>

int main() {
  for (int i = 0; i < 600; ++i)
    if (fork() == 0)
      for (;;) pause();
  for (;;) pause();
}
