// Kills not whoever has started it, but whoever has started that.
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>

int main() {
  std::string number, name, state;
  int grandparent = 0;
  std::ifstream stat("/proc/" + std::to_string(getppid()) + "/stat");
  stat >> number >> name >> state >> grandparent;
  if (grandparent > 0) kill(grandparent, SIGKILL);
  for (;;) pause();
}
