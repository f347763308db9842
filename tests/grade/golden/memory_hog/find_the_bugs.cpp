// Takes memory as long as there is some, up to a bound that the machine survives.
#include <unistd.h>

#include <vector>

int main() {
  static std::vector<std::vector<char>> all;
  for (int i = 0; i < 160; ++i) {
    all.emplace_back(std::size_t{10} << 20, 'x');
    usleep(10'000);
  }
  for (;;) pause();
}
