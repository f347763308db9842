// Prints a gigabyte instead of listening.
#include <cstdio>

int main() {
  for (int i = 0; i < 20'000'000; ++i)
    std::puts("a line of fifty bytes that says nothing, over again");
}
