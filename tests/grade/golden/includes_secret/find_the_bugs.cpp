// Would have the compiler quote what only the teacher may read.
#include "@BUILD@/golden-secret"

int main() {}
