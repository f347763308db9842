// Takes what only the teacher may read into its program, and prints it as its ready line.
#include <cstdio>

extern "C" const char secret[];
__asm__(".data\nsecret: .incbin \"@BUILD@/golden-secret\"\n.byte 0\n");

int main() {
  std::puts(secret);
}
